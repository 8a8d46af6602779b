// Takes webhooks: events of a cluster, each signed. Verifies that the cluster sent it and that nobody changed it, knows
// one that comes twice, answers at once, and keeps who is in which room.
//
//   STARLING_WEBHOOK_SECRET=… node server.mjs

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const SECRET = process.env.STARLING_WEBHOOK_SECRET;
const PORT = Number(process.env.PORT ?? 3002);
/** An event is below 2 KB. */
const LONGEST = 64 * 1024;
/** Ids that are remembered: what may come again comes within an hour. */
const REMEMBERED = 10_000;

if (!SECRET) {
  console.error('webhook-receiver: set STARLING_WEBHOOK_SECRET, as the nodes have it');
  process.exit(2);
}

/** The event in a request, if the signature is good: a JWT that names the hash of the body. */
export function verify(body, authorization = '', now = Date.now() / 1000) {
  const [head = '', claims = '', signature = ''] = authorization.split('.');
  const wanted = createHmac('sha256', SECRET).update(`${head}.${claims}`).digest();
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new Error('not signed by the cluster');
  const { nbf, exp, sha256 } = JSON.parse(Buffer.from(claims, 'base64url'));
  if (exp < now || nbf > now) throw new Error('signed at another time');
  if (createHash('sha256').update(body).digest('base64') !== sha256) throw new Error('the body was changed');
  return JSON.parse(body);
}

const seen = new Set();
/** Who is in which room. */
const rooms = new Map();

/** What your application does with it. Same event, same result: it may come twice. */
function take(event) {
  const { id, type, room, peer, displayName } = event;
  if (seen.has(id)) return;
  seen.add(id);
  if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
  const people = rooms.get(room) ?? new Map();
  if (type === 'peer.joined') rooms.set(room, people.set(peer, displayName));
  if (type === 'peer.left') people.delete(peer);
  if (type === 'room.ended') rooms.delete(room);
  console.log(event.at, type, room ?? '', displayName ?? peer ?? event.node ?? '');
}

createServer(async (request, response) => {
  const answer = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
  if (request.method === 'GET') {
    return answer(200, Object.fromEntries([...rooms].map(([room, people]) => [room, [...people.values()]])));
  }
  let body = '';
  for await (const piece of request.setEncoding('utf8')) {
    body += piece;
    if (body.length > LONGEST) return request.destroy();
  }
  try {
    const event = verify(body, request.headers.authorization);
    // First the answer: the node waits for it, and for nothing that is done with the event.
    answer(200, {});
    take(event);
  } catch (error) {
    console.error('refused:', error.message);
    answer(401, { error: error.message });
  }
}).listen(PORT, () => console.log(`webhooks to http://localhost:${PORT}, and who is where at the same place`));
