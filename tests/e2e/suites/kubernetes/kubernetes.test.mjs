// What kubelet and controllers are taken to do, with values from Kubernetes' own documentation.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backOff, endpoints, mayGo, rolled, scaled, told, untold } from './decide.mjs';
import { names, table } from './network.mjs';
import { expanded, podOf } from './pod.mjs';

const container = {
  name: 'starling', image: 'starling:0.1.0', args: ['node', '--id=$(STARLING_ID)'],
  env: [
    { name: 'URL', value: 'https://$(STARLING_ID)' },
    { name: 'STARLING_ID', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'ANNOUNCE', value: '$(STARLING_ID):$(NOBODY):$$(STARLING_ID)' },
    { name: 'ZONE', valueFrom: { fieldRef: { fieldPath: "metadata.labels['topology.kubernetes.io/zone']" } } },
    { name: 'RACK', valueFrom: { fieldRef: { fieldPath: "metadata.labels['rack']" } } },
  ],
  ports: [{ name: 'admin', containerPort: 9400, protocol: 'TCP' }],
  livenessProbe: { httpGet: { path: '/livez', port: 'admin' } },
};
const set = {
  metadata: { name: 'starling', namespace: 'ns' },
  spec: {
    replicas: 2, minReadySeconds: 15, updateStrategy: { rollingUpdate: { partition: 0 } },
    template: { metadata: { labels: { app: 'starling' } }, spec: { containers: [container] } },
  },
};
const facts = { podIP: '10.88.0.1', hostIP: '10.77.0.1', region: 'eu-1', zone: 'eu-1a' };

test('a reference reaches what stands above it, stays if nothing has the name, and is escaped by two signs', () => {
  const { env, command } = podOf(set, 1, facts);
  assert.equal(env.URL, 'https://$(STARLING_ID)');
  assert.equal(env.STARLING_ID, 'starling-1');
  assert.equal(env.ANNOUNCE, 'starling-1:$(NOBODY):$(STARLING_ID)');
  assert.deepEqual(command, ['/usr/local/bin/starling', 'node', '--id=starling-1']);
  assert.equal(expanded('a$b', {}), 'a$b');
});

test('labels reach the environment, and one that is not there is empty', () => {
  const { env } = podOf(set, 0, facts);
  assert.equal(env.ZONE, 'eu-1a');
  assert.equal(env.RACK, '');
});

test('what a probe and a pod leave out is what the API reference says', () => {
  const { probes, grace } = podOf(set, 0, facts);
  assert.deepEqual(probes.liveness, {
    path: '/livez', port: 9400, delay: 0, timeout: 1, period: 10, successes: 1, failures: 3, grace: null,
  });
  assert.equal(grace, 30);
});

test('command replaces an image’s entry point and its arguments', () => {
  const spec = { containers: [{ ...container, command: ['/other'], args: undefined }] };
  const other = { ...set, spec: { ...set.spec, template: { ...set.spec.template, spec } } };
  assert.deepEqual(podOf(other, 0, facts).command, ['/other']);
});

test('a probe fails after so many in a row and not before', () => {
  const probe = { successes: 1, failures: 2 };
  let state = told(untold, true, probe);
  assert.equal(state.verdict, true);
  state = told(state, false, probe);
  assert.equal(state.verdict, true);
  state = told(state, false, probe);
  assert.equal(state.verdict, false);
  assert.equal(told(state, true, probe).verdict, true);
});

test('a container comes back at once, then after ten seconds, twice as long each time, five minutes at most', () => {
  assert.deepEqual([1, 2, 3, 4, 20].map(backOff), [0, 10_000, 20_000, 40_000, 300_000]);
});

test('a budget of one lets one go while all others are well, and a broken one always', () => {
  const budget = { spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' } };
  const well = { ready: true, going: false };
  assert.equal(mayGo(budget, well, [well, well, well], 3), true);
  assert.equal(mayGo(budget, well, [well, well, { ready: true, going: true }], 3), false);
  assert.equal(mayGo(budget, well, [well, well], 3), false);
  const broken = { ready: false, going: false };
  assert.equal(mayGo(budget, broken, [well, broken], 3), true);
});

test('scaling starts what is missing and ends the highest first', () => {
  assert.deepEqual(scaled(3, [0]), { start: [1, 2], end: [] });
  assert.deepEqual(scaled(1, [0, 1, 2]), { start: [], end: [2, 1] });
});

test('a rolling update takes the highest old pod, and only while all are available', () => {
  const pod = (ordinal, revision, readySince) => ({ ordinal, revision, readySince, ready: true, going: false });
  const now = 100_000;
  assert.equal(rolled(set, 2, [pod(0, 1, 0), pod(1, 1, 0)], now), 1);
  assert.equal(rolled(set, 2, [pod(0, 1, 0), pod(1, 2, 90_000)], now), null);
  assert.equal(rolled(set, 2, [pod(0, 1, 0), pod(1, 2, 85_000)], now), 0);
  assert.equal(rolled(set, 2, [pod(0, 1, 0)], now), null);
  const kept = { ...set, spec: { ...set.spec, updateStrategy: { rollingUpdate: { partition: 1 } } } };
  assert.equal(rolled(kept, 2, [pod(0, 1, 0), pod(1, 2, 0)], now), null);
});

const labels = { app: 'starling' };
const service = {
  kind: 'Service', metadata: { name: 'starling', namespace: 'ns' },
  spec: { selector: labels, ports: [{ port: 443, targetPort: 'http', protocol: 'TCP' }] },
};
const pod = (n, more) => ({
  name: `starling-${n}`, labels, podIP: `10.88.0.${n}`, hostIP: `10.77.0.${n}`, ready: true, going: false,
  ports: [{ name: 'http', containerPort: 4443, hostPort: 4443, protocol: 'TCP' }], ...more,
});

test('a service leaves out who is not ready or going, and takes who is going if there is nobody else', () => {
  const named = (pods) => endpoints(service, pods).map(({ name }) => name);
  assert.deepEqual(named([pod(0), pod(1, { ready: false }), pod(2, { going: true })]), ['starling-0']);
  assert.deepEqual(named([pod(1, { ready: false }), pod(2, { going: true })]), ['starling-2']);
});

test('a policy lets through what it names and nothing else', () => {
  const policy = {
    kind: 'NetworkPolicy', metadata: { name: 'p' },
    spec: {
      podSelector: { matchLabels: labels }, policyTypes: ['Ingress'],
      ingress: [
        { ports: [{ port: 'http', protocol: 'TCP' }] },
        { ports: [{ port: 7000, endPort: 7003, protocol: 'UDP' }], from: [{ podSelector: { matchLabels: labels } }] },
        { ports: [{ port: 9400, protocol: 'TCP' }], from: [{ namespaceSelector: { matchLabels: { a: 'b' } } }] },
      ],
    },
  };
  const made = table([service, policy], [pod(0), pod(1)], { starling: '10.96.0.1' });
  assert.match(made, /chain ingress_starling_0_10_88_0_0 \{\ntcp dport 4443 return\nip saddr \{ 10.88.0.0, 10.88.0.1 \} udp dport 7000-7003 return\ncounter drop\n\}/);
  assert.match(made, /ip daddr 10.88.0.0 jump ingress_starling_0_10_88_0_0/);
  assert.doesNotMatch(made, /9400|egress/);
  assert.match(made, /ip daddr 10.77.0.1 tcp dport 4443 dnat to 10.88.0.1:4443/);
  assert.match(made, /ip daddr 10.96.0.1 tcp dport 443 dnat to numgen random mod 2 map \{ 0 : 10.88.0.0 \. 4443, 1 : 10.88.0.1 \. 4443 \}/);
});

test('pods of a headless service have names, and those that are for the public lead to their machines', () => {
  const headless = {
    kind: 'Service',
    metadata: {
      name: 'nodes', namespace: 'ns',
      annotations: {
        'external-dns.alpha.kubernetes.io/hostname': 'example.org',
        'external-dns.alpha.kubernetes.io/endpoints-type': 'HostIP',
      },
    },
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: labels, ports: [] },
  };
  const lines = names([headless], [pod(1, { ready: false })], {}).split('\n');
  const own = ['starling-1.nodes', 'starling-1.nodes.ns.svc', 'starling-1.nodes.ns.svc.cluster.local'];
  const all = ['nodes', 'nodes.ns.svc', 'nodes.ns.svc.cluster.local'];
  assert.ok(lines.includes(`10.88.0.1 ${[...own, ...all].join(' ')}`));
  assert.ok(lines.includes('10.77.0.1 starling-1.example.org'));
});
