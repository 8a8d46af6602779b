// examples/token-server: nodes take its tokens for what they say, and a person gets into a call with one.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { CAMERA } from '../../lib/browser.mjs';
import { SECRETS } from '../../lib/cluster.mjs';
import { root } from '../../lib/paths.mjs';
import { Child } from '../../lib/processes.mjs';
import { until } from '../../lib/wait.mjs';

const URL = 'http://localhost:3000';
const PASSWORD = randomBytes(12).toString('hex');
/** Of the cluster that it is run on. */
export const settings = { CORS_ORIGINS: 'http://localhost:8000' };

export async function tokenServer({ cluster, browser, report }) {
  const server = new Child('token-server', process.execPath, [join(root, 'examples', 'token-server', 'server.mjs')], {
    env: { ...SECRETS, USERS: `ada:${PASSWORD},ben:other`, STARLING_URL: cluster.nodes[0].url }, logs: cluster.logs,
  });
  try {
    await until('the token server listens', 10_000, () => ask('ada', PASSWORD, 'demo'));
    const { token, page } = await (await ask('ada', PASSWORD, 'demo')).json();
    const statuses = {
      good: await placed(cluster, 'demo', token),
      other_room: await placed(cluster, 'other', token),
      changed: await placed(cluster, 'demo', `${token.slice(0, -4)}AAAA`),
      wrong_password: (await ask('ada', 'other', 'demo')).status,
      nobody: (await ask('eve', PASSWORD, 'demo')).status,
      not_yours: (await ask('ada', PASSWORD, 'private-ben')).status,
    };
    const wanted = { good: 200, other_room: 403, changed: 401, wrong_password: 401, nobody: 401, not_yours: 403 };
    for (const [name, status] of Object.entries(statuses)) {
      report.check(`examples_token_${name}`, status, (seen) => seen === wanted[name], `${wanted[name]}`);
    }
    const ada = await browser.person('ada');
    await ada.open(`${page}&here=1&${new URLSearchParams(CAMERA)}`);
    await until('ada is in and sends', 15_000, async () => (await ada.stats()).producers.length === 2);
    await ada.close();
  } finally {
    await server.end();
  }
}

function ask(name, password, room) {
  const authorization = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
  return fetch(`${URL}/token?room=${room}`, { headers: { authorization } });
}

async function placed(cluster, room, token) {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${cluster.nodes[0].url}/v1/rooms/${room}/placement`, { headers })).status;
}
