// examples/webhook-receiver: takes what the cluster sends, and nothing else; knows who is where.

import { createHash, createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { root } from '../../lib/paths.mjs';
import { Child } from '../../lib/processes.mjs';
import { until } from '../../lib/wait.mjs';

const URL = 'http://localhost:3002';
const ROOM = 'hooked';
const SECRET = randomBytes(32).toString('hex');
/** Of the cluster that it is run on. */
export const settings = { WEBHOOK_SECRET: SECRET, WEBHOOK_PRIVATE: 'true' };

export async function webhookReceiver({ cluster, report }) {
  const program = join(root, 'examples', 'webhook-receiver', 'server.mjs');
  const env = { STARLING_WEBHOOK_SECRET: SECRET };
  const server = new Child('webhook-receiver', process.execPath, [program], { env, logs: cluster.logs });
  const people = async () => (await (await fetch(URL)).json())[ROOM] ?? [];
  try {
    await until('it listens', 10_000, () => fetch(URL).then((answer) => answer.ok));
    await cluster.api(0, 'POST', '/v1/webhooks', { id: 'example', url: URL, room: ROOM });
    // One on each node, which tells of its own.
    for (const [n, name] of ['Ada', 'Ben'].entries()) {
      await cluster.api(n, 'POST', `/v1/rooms/${ROOM}/peers`, { id: name.toLowerCase(), displayName: name });
      await until(`it knows that ${name} is there`, 10_000, async () => (await people()).includes(name));
    }
    const { nodes, missing } = await cluster.api(1, 'GET', '/v1/webhooks/example');
    const telling = nodes.filter(({ delivered, deadLetters }) => delivered > 0 && deadLetters === 0);
    report.check('examples_webhook_nodes_that_told', telling.length, (n) => n === 2 && !missing.length, '2');
    const event = { id: 'forged.1', type: 'peer.joined', room: ROOM, peer: 'eve', displayName: 'Eve' };
    const statuses = {
      unsigned: await post(event, ''),
      other_secret: await post(event, sign(event, 'x'.repeat(40))),
      other_body: await post({ ...event, room: 'other' }, sign(event, SECRET)),
      too_old: await post(event, sign(event, SECRET, -600)),
    };
    for (const [name, status] of Object.entries(statuses)) {
      report.check(`examples_webhook_${name}`, status, (seen) => seen === 401, '401');
    }
    if ((await people()).includes('Eve')) report.fail('examples: the webhook receiver believed a forged event');
    await cluster.api(1, 'DELETE', `/v1/rooms/${ROOM}/peers/ada`);
    await until('it knows that Ada is gone', 15_000, async () => `${await people()}` === 'Ben');
  } finally {
    await cluster.api(0, 'DELETE', '/v1/webhooks/example').catch(() => {});
    await server.end();
  }
}

function sign(event, secret, from = 0) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000) + from;
  const sha256 = createHash('sha256').update(JSON.stringify(event)).digest('base64');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ iss: 'starling', nbf: now - 10, exp: now + 300, sha256 })}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

async function post(event, authorization) {
  return (await fetch(URL, { method: 'POST', body: JSON.stringify(event), headers: { authorization } })).status;
}
