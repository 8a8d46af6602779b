// Plain RTP out of a node, for programs that record it.

import { readFileSync } from 'node:fs';

/** A plain transport with a paused consumer on it. */
export async function outlet(cluster, node, peer, producer, port) {
  const made = await cluster.api(node, 'POST', `${peer}/transports`, { rtcpMux: false });
  const transport = `${peer}/transports/${made.transportId}`;
  await cluster.api(node, 'POST', `${transport}/connect`, {
    ip: '127.0.0.1', port, rtcpPort: port + 1,
  });
  const consumer = await cluster.api(node, 'POST', `${transport}/consumers`, {
    producerId: producer.id, paused: true,
  });
  return { ...consumer, port };
}

/** One description of several streams. */
export function together([first, ...rest]) {
  return first + rest.map((sdp) => sdp.slice(sdp.indexOf('m='))).join('');
}

export function listens(port) {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return ['/proc/net/udp', '/proc/net/udp6'].some((file) =>
    new RegExp(`^\\s*\\d+: [0-9A-F]+:${hex} `, 'm').test(readFileSync(file, 'utf8')));
}
