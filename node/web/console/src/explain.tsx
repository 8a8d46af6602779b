// Where a join would go now, and why.

import { useEffect, useState } from 'preact/hooks';
import { get } from './api';
import { share } from './format';
import { Card, Empty, NodeLink, Scroll } from './parts';
import type { Explained } from './types';

export function ExplainCard({ room }: { room: string }) {
  const [region, setRegion] = useState('');
  const [told, tell] = useState<Explained | null>(null);
  const [trouble, setTrouble] = useState('');
  useEffect(() => {
    let stale = false;
    const query = region.trim() ? `?region=${encodeURIComponent(region.trim())}` : '';
    get<Explained>(`/v1/rooms/${encodeURIComponent(room)}/explain${query}`)
      .then((answer) => { if (!stale) { tell(answer); setTrouble(''); } })
      .catch((error: Error) => { if (!stale) setTrouble(error.message); });
    return () => { stale = true; };
  }, [room, region]);
  const where = told?.node ? <>The next one to join goes to <NodeLink id={told.node} />.</>
    : told?.refusal ? `The next one to join is refused: ${told.refusal}.` : '';
  const tools = (
    <input type="search" placeholder="Client's region" aria-label="Client's region" value={region}
      onChange={(event) => setRegion(event.currentTarget.value)} />
  );
  return (
    <Card title="Where the next one goes" wide note={where} tools={tools}>
      {trouble && <p class="note bad" role="alert">{trouble}</p>}
      {!told && !trouble && <Empty title="Asking the node…" />}
      {told && (
        <Scroll label="Placement">
          <table>
            <thead><tr><th>Node</th><th class="number">Points</th><th>What for</th><th class="number">Busy</th></tr></thead>
            <tbody>
              {told.nodes.map((node) => (
                <tr key={node.node} class={node.leftOut ? 'gone' : ''}>
                  <td><NodeLink id={node.node} /></td>
                  <td class="number">{node.score ?? '–'}</td>
                  <td>
                    {node.leftOut ?? (node.terms.map(({ name, points }) =>
                      `${name} ${points > 0 ? '+' : ''}${points}`).join(', ') || 'nothing')}
                  </td>
                  <td class="number">{share(node.stress)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Card>
  );
}
