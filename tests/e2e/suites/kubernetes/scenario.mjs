// What befalls the pods, scene by scene. Each says what people may see of it.

import { spawnSync } from 'node:child_process';
import { sleep, until } from '../../lib/wait.mjs';
import { refused } from './network.mjs';

/** Who stays. The first two send. */
export const FLEET = { room: 'talk', members: 9, publishers: 2, fps: 15, sounds: 10, 'at-once': 4 };
const NODES = ['starling-0', 'starling-1', 'starling-2'];
const ROOM = `/v1/rooms/${FLEET.room}`;

/** 1 → 3; then a third of the people go to each node, so that the room spans all of them. */
async function grow(stage) {
  const made = await stage.during('scale_1_to_3', () => stage.cluster.scale('starling', 3));
  stage.report.put('new_pod_ready_ms', Math.max(...made.map(({ readySince, began }) => readySince - began)));
  await whole(stage);
  await stage.during('spread', () => spread(stage));
}

async function whole(stage, nodes = NODES) {
  for (const node of nodes) {
    await until(`${node} sees the others`, 20_000, async () => {
      const seen = await stage.api(node, 'GET', '/v1/nodes');
      return seen.filter(({ here, linked }) => here || linked).length === nodes.length;
    });
  }
}

async function spread(stage, nodes = NODES) {
  const place = (id) => nodes[Number(id.split('-')[1]) % nodes.length];
  const strayed = async () => {
    const peers = await stage.api(nodes[0], 'GET', `${ROOM}/peers`);
    return peers.filter(({ id, node }) => /^fleet-\d+$/.test(id) && node !== place(id));
  };
  for (const { id } of await strayed()) {
    await stage.api(nodes[0], 'POST', `${ROOM}/peers/${id}/move`, { to: place(id) });
  }
  await until('everybody is where they were sent', 20_000, async () => (await strayed()).length === 0);
}

/** The network policies: what is not meant to be reached from outside is not, and nothing else was refused. */
async function policies(stage) {
  const { cluster, report, outside } = stage;
  const before = cluster.refused + refused();
  const reached = (address, port) => {
    const words = ['-c', `exec 3<>/dev/tcp/${address}/${port}`];
    return spawnSync(...outside.inside('timeout', ['1', 'bash', ...words]), { stdio: 'ignore' }).status === 0;
  };
  const [node, store] = [cluster.pod('starling-0'), cluster.pod('etcd-0')];
  report.check('policy_api_reached', reached(node.podIP, 4443) ? 1 : 0, (n) => n === 1, '1');
  report.check('policy_media_tcp_reached', reached(node.hostIP, 7000) ? 1 : 0, (n) => n === 1, '1');
  const shut = [[node.podIP, 9400], [node.hostIP, 9400], [store.podIP, 2379], [store.podIP, 2380], [store.podIP, 2381]];
  const open = shut.filter(([address, port]) => reached(address, port));
  report.check('policy_shut_but_reached', open.length, (n) => n === 0, `0: ${open}`);
  report.check('policy_refused_then', refused() + cluster.refused - before, (n) => n >= 4, '>= 4');
  // What is counted besides is by mistake.
  cluster.changed();
  cluster.refused = before;
}

/** 3 → 2: the highest ordinal goes, and its people before it. */
async function shrink(stage) {
  await stage.during('scale_3_to_2', () => stage.cluster.scale('starling', 2));
  const [gone] = stage.cluster.ended.slice(-1);
  stage.report.check('highest_ordinal_went', gone.ordinal, (n) => n === 2, '2');
}

/** A machine is emptied: one pod at a time, which comes again elsewhere, under the same id. */
async function evict(stage) {
  const { cluster, report } = stage;
  const [first, second] = ['starling-0', 'starling-1'];
  const from = cluster.pod(first).hostIP;
  cluster.cordoned.add(from);
  await stage.during('evicted', async () => {
    const answer = cluster.evict(first);
    report.check('eviction_status', answer.status, (n) => n === 201, '201');
    await sleep(300);
    report.check('second_eviction_status', cluster.evict(second).status, (n) => n === 429, '429');
    await answer.done;
  });
  cluster.cordoned.delete(from);
  report.check('evicted_is_elsewhere', cluster.pod(first).hostIP === from ? 0 : 1, (n) => n === 1, '1');
}

async function again(stage) {
  await stage.during('scale_2_to_3', () => stage.cluster.scale('starling', 3));
  await whole(stage);
  await spread(stage);
  await sleep(2_000);
}

/** A new template: 2, 1, 0, each available for minReadySeconds before the next one goes. */
async function roll(stage) {
  const { cluster, report } = stage;
  const change = (template) => { template.metadata.annotations['starling.dev/changed'] = 'once'; };
  const order = await stage.during('rolled', () => cluster.roll('starling', change));
  report.check('rolled_in_order', Number(order.join('')), (n) => n === 210, '210');
  await whole(stage);
}

/** An etcd member is evicted and comes again with its disk and another address. */
async function member(stage) {
  const { cluster, report } = stage;
  await stage.during('etcd_member_evicted', async () => {
    const { status, done } = cluster.evict('etcd-1');
    report.check('etcd_eviction_status', status, (n) => n === 201, '201');
    report.check('etcd_second_eviction_status', cluster.evict('etcd-2').status, (n) => n === 429, '429');
    await done;
  });
}

/** All of etcd hangs for as long as it takes a liveness probe to kill: no pod of ours becomes unready, or restarts. */
async function registry(stage) {
  const { cluster, report } = stage;
  const members = cluster.of('etcd');
  for (const pod of members) pod.mayRestart = 1;
  await stage.during('etcd_away', async () => {
    for (const { child } of members) child.signal('SIGSTOP');
    let unready = 0;
    for (let n = 0; n < 40; n++) {
      await sleep(1_000);
      unready += cluster.of('starling').filter(({ ready }) => !ready).length;
    }
    for (const { child } of members) child.signal('SIGCONT');
    report.check('etcd_away_pod_seconds_unready', unready, (n) => n === 0, '0');
  });
}

/** A container is killed: it starts anew in its pod, and its people are back. */
async function crash(stage) {
  const { cluster, report } = stage;
  const pod = cluster.pod('starling-1');
  pod.mayRestart = 1;
  await spread(stage);
  await stage.during('crashed', async () => {
    const began = performance.now();
    await pod.child.kill();
    await sleep(100);
    await cluster.ready('starling-1');
    report.put('crashed_ready_again_ms', performance.now() - began);
  }, { planned: false, settle: 8_000 });
  await whole(stage);
}

/** A process hangs: the liveness probe finds out, and its pod does not wait for a drain that nobody does. */
async function hang(stage) {
  const { cluster, report } = stage;
  const pod = cluster.pod('starling-2');
  pod.mayRestart = 1;
  await spread(stage);
  await stage.during('hung', async () => {
    const began = performance.now();
    pod.child.signal('SIGSTOP');
    await until('the container is started anew', 90_000, () => pod.restarts === 1);
    report.check('hung_restarted_ms', performance.now() - began, (ms) => ms <= 60_000, '<= 60000');
    await cluster.ready('starling-2');
  }, { planned: false, settle: 8_000 });
  report.check('hung_found_by_liveness', pod.hung.filter(({ which }) => which === 'liveness').length, (n) => n === 1, '1');
  await whole(stage);
}

/** A machine is gone at once, and its pod is made anew on another one while the earlier one's lease still lives. */
async function machine(stage) {
  const { cluster, report } = stage;
  await spread(stage);
  const pod = cluster.pod('starling-1');
  pod.mayRestart = 3;
  await stage.during('machine_lost', async () => {
    const began = performance.now();
    pod.going = true;
    pod.end = { forced: true };
    await pod.child.kill();
    pod.far.stop();
    cluster.pods = cluster.pods.filter((one) => one !== pod);
    cluster.cordoned.add(pod.hostIP);
    const made = await cluster.create(cluster.set('starling'), 1);
    made.mayRestart = 3;
    await cluster.ready('starling-1');
    report.put('machine_lost_ready_again_ms', performance.now() - began);
    report.put('machine_lost_restarts', made.restarts);
  }, { planned: false, settle: 8_000 });
  cluster.cordoned.delete(pod.hostIP);
  await whole(stage);
}

export const short = { grow, policies, shrink, evict };
export const long = { grow, policies, shrink, evict, again, roll, member, registry, crash, hang, machine };
