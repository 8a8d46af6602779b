// examples/whip-broadcaster: its page sends a camera into a room; the node that has it is killed, and it comes back.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { root } from '../../lib/paths.mjs';
import { until } from '../../lib/wait.mjs';

const PAGE = join(root, 'examples', 'whip-broadcaster', 'index.html');
const ROOM = 'studio';

/** Answers the room, which it goes on sending into. */
export async function broadcaster({ cluster, browser, report }) {
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end(readFileSync(PAGE)));
  await new Promise((done) => server.listen(8000, 'localhost', done));
  const person = await browser.person('studio');
  const query = new URLSearchParams({ node: cluster.nodes[0].url, room: ROOM, token: await cluster.token(ROOM, 'studio') });
  await person.open(`http://localhost:8000/?${query}`);
  await person.page.click('text=Send camera', { timeout: 5000 });
  const said = () => person.page.textContent('output');
  await until('it says that it is live', 15_000, async () => {
    const text = await said();
    if (text !== 'live') throw new Error(`it says "${text}"`);
    return true;
  });
  const layers = await until('three layers come', 15_000, async () => {
    const peers = await cluster.api(0, 'GET', `/v1/rooms/${ROOM}/peers`);
    const video = peers.flatMap(({ producers }) => producers).find(({ kind }) => kind === 'video');
    return video?.type === 'simulcast' && video.type;
  });
  report.say('examples_broadcaster_type', layers);
  for (const error of person.errors) report.fail(`examples: broadcaster: ${error}`);
  server.close();
  return ROOM;
}
