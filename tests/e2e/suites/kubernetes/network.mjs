// The cluster's network, in this namespace: a way to each pod, ports of machines, services and network policies, as
// one nft table that is made anew from what there is. Pods are namespaces behind a pair of interfaces with one address.

import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { nft } from '../../lib/namespace.mjs';
import { endpoints, selects } from './decide.mjs';

/** What every pod has as its gateway: nobody's address but the near end's. */
const GATEWAY = '169.254.1.1';

export function ip(...words) {
  const done = spawnSync('ip', words, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`ip ${words.join(' ')}: ${done.stderr}`);
}

/** Lets this namespace forward, and gives it the machines' addresses. */
export function open(machines) {
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  for (const address of machines) ip('addr', 'add', `${address}/32`, 'dev', 'lo');
}

let links = 0;

/** Ties a far namespace to this one under an address; it ends with the namespace. */
export function tie(far, address) {
  const near = `pod${links++}`;
  const there = (...words) => {
    const done = spawnSync(...far.inside('ip', words), { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`ip ${words.join(' ')}: ${done.stderr}`);
  };
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${far.holder.pid}`);
  ip('addr', 'add', `${GATEWAY}/32`, 'dev', near);
  ip('link', 'set', near, 'up');
  ip('route', 'add', `${address}/32`, 'dev', near);
  there('addr', 'add', `${address}/32`, 'dev', 'eth0');
  there('link', 'set', 'eth0', 'up');
  there('route', 'add', GATEWAY, 'dev', 'eth0', 'scope', 'link');
  there('route', 'add', 'default', 'via', GATEWAY);
}

/**
 * Fills the table anew, in one step. Its chains stay: without their hooks, for however short, a connection under way
 * would not find back. Those of pods that are gone are empty.
 */
export function apply(objects, pods, addresses) {
  nft(`table ip kube\nflush table ip kube\n${table(objects, pods, addresses)}`);
}

/** How many packets the policies have refused since the table was last made. */
export function refused() {
  const listed = spawnSync('nft', ['list', 'table', 'ip', 'kube'], { encoding: 'utf8' }).stdout ?? '';
  const drops = listed.split('\n').filter((line) => line.trim().endsWith('drop'));
  return drops.reduce((sum, line) => sum + Number(line.match(/packets (\d+)/)?.[1] ?? 0), 0);
}

/** The table of nft for pods as they are. `addresses` are those of services. */
export function table(objects, pods, addresses) {
  const ways = [...hostPorts(pods), ...services(objects, pods, addresses)].join('\n');
  const { chains, jumps } = policies(objects, pods);
  return `table ip kube {
${chains}
chain before { type nat hook prerouting priority -100;
${ways}
}
chain here { type nat hook output priority -100;
${ways}
}
chain between { type filter hook forward priority 0;
ct state established,related accept
${jumps}
}
}`;
}

/** ContainerPort.hostPort: the machine's port is the pod's. */
function hostPorts(pods) {
  return pods.filter(({ hostNetwork }) => !hostNetwork).flatMap((pod) =>
    pod.ports.filter(({ hostPort }) => hostPort).map(({ hostPort, containerPort, protocol }) =>
      `ip daddr ${pod.hostIP} ${protocol.toLowerCase()} dport ${hostPort} dnat to ${pod.podIP}:${containerPort}`));
}

/** A connection to a service goes to one of its pods, whichever. */
function services(objects, pods, addresses) {
  return objects.filter(({ kind, metadata }) => kind === 'Service' && addresses[metadata.name]).flatMap((service) => {
    const to = endpoints(service, pods);
    return service.spec.ports.map(({ port, targetPort, protocol }) => {
      const here = `ip daddr ${addresses[service.metadata.name]} ${protocol.toLowerCase()} dport ${port}`;
      if (!to.length) return `${here} reject`.replace('reject', 'drop');
      const map = to.map((pod, n) => `${n} : ${pod.podIP} . ${numberOf(pod, targetPort, protocol)}`).join(', ');
      return `${here} dnat to numgen random mod ${to.length} map { ${map} }`;
    });
  });
}

function numberOf(pod, port, protocol) {
  if (typeof port === 'number') return port;
  const found = pod.ports.find((one) => one.name === port && (one.protocol ?? 'TCP') === protocol);
  if (!found) throw new Error(`${pod.name} has no port ${port}/${protocol}`);
  return found.containerPort;
}

/** NetworkPolicy: who is selected gets, and sends, nothing but what a rule lets through. */
function policies(objects, pods) {
  const chains = [];
  const jumps = [];
  for (const policy of objects.filter(({ kind }) => kind === 'NetworkPolicy')) {
    const { podSelector, policyTypes, ingress = [], egress = [] } = policy.spec;
    for (const pod of pods.filter(({ labels }) => selects(podSelector.matchLabels ?? {}, labels))) {
      const ways = [['Egress', egress, 'saddr', 'daddr'], ['Ingress', ingress, 'daddr', 'saddr']];
      for (const [type, rules, own, others] of ways.filter(([type]) => policyTypes.includes(type))) {
        const chain = `${type.toLowerCase()}_${pod.name.replaceAll('-', '_')}_${pod.podIP.replaceAll('.', '_')}`;
        const lines = rules.flatMap((rule) => allowed(rule, type, others, pod, pods));
        chains.push(`chain ${chain} {\n${[...lines, 'counter drop'].join('\n')}\n}`);
        jumps.push(`ip ${own} ${pod.podIP} jump ${chain}`);
      }
    }
  }
  return { chains: chains.join('\n'), jumps: jumps.join('\n') };
}

function allowed(rule, type, others, pod, pods) {
  const peers = type === 'Ingress' ? rule.from : rule.to;
  // Pods elsewhere are not among ours, so a namespaceSelector means nobody here.
  const meant = peers && pods.filter(({ labels }) =>
    peers.some(({ podSelector }) => podSelector && selects(podSelector.matchLabels ?? {}, labels)));
  if (meant && !meant.length) return [];
  const who = meant ? `ip ${others} { ${meant.map(({ podIP }) => podIP).join(', ')} } ` : '';
  return rule.ports.map(({ port, endPort, protocol }) => {
    // A port's name is one of the pod that is connected to.
    const first = numberOf(type === 'Ingress' ? pod : (meant?.[0] ?? pod), port, protocol);
    return `${who}${protocol.toLowerCase()} dport ${endPort ? `${first}-${endPort}` : first} return`;
  });
}

/** Writes a file that others have mounted in place: whoever reads it meanwhile never finds it empty. */
export function rewrite(file, text) {
  const open = openSync(file, existsSync(file) ? 'r+' : 'w');
  writeSync(open, text, 0);
  ftruncateSync(open, Buffer.byteLength(text));
  closeSync(open);
}

/** What a cluster's DNS and external-dns would answer, as lines of a hosts file. */
export function names(objects, pods, addresses, more = {}) {
  const lines = ['127.0.0.1 localhost'];
  const say = (address, ...all) => lines.push(`${address} ${all.join(' ')}`);
  for (const [name, address] of Object.entries(more)) say(address, name);
  for (const { kind, metadata, spec } of objects) {
    if (kind !== 'Service') continue;
    const { name, namespace, annotations = {} } = metadata;
    const full = (label) => [label, `${label}.${namespace}.svc`, `${label}.${namespace}.svc.cluster.local`];
    if (addresses[name]) say(addresses[name], ...full(name));
    if (spec.clusterIP !== 'None') continue;
    for (const pod of endpoints({ spec }, pods)) {
      say(pod.podIP, ...full(`${pod.name}.${name}`), ...full(name));
      const outside = annotations['external-dns.alpha.kubernetes.io/hostname'];
      const of = annotations['external-dns.alpha.kubernetes.io/endpoints-type'];
      if (outside && of === 'HostIP') say(pod.hostIP, `${pod.name}.${outside}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
