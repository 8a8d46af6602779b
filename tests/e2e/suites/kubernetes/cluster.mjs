// A Kubernetes of local processes: machines, the pods of StatefulSets on them, services and policies between them;
// scales, rolls and evicts as the controllers do.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, until } from '../../lib/wait.mjs';
import { mayGo, rolled, scaled } from './decide.mjs';
import { Pod } from './kubelet.mjs';
import * as network from './network.mjs';
import { podOf } from './pod.mjs';

/** One machine more than there are nodes at most: where an evicted pod goes. */
export const MACHINES = ['10.77.0.1', '10.77.0.2', '10.77.0.3', '10.77.0.4'];
const ZONES = ['eu-1a', 'eu-1b', 'eu-1c', 'eu-1a'];
/** Longest that a controller waits for pods, in ms: three back-offs, and a node that comes when etcd does. */
const PATIENCE = 90_000;

export class Kubernetes {
  pods = [];
  ended = [];
  events = [];
  revisions = new Map();
  addresses = {};
  cordoned = new Set();
  /** Packets that no policy lets through. */
  refused = 0;

  /** `around`: programs, secrets, authority (a file), folder and logs. */
  constructor(objects, around) {
    this.objects = objects;
    this.hosts = join(around.folder, 'hosts');
    this.around = { ...around, hosts: this.hosts, changed: () => this.changed() };
    mkdirSync(around.logs, { recursive: true });
    const services = objects.filter(({ kind, spec }) => kind === 'Service' && spec.clusterIP !== 'None');
    services.forEach(({ metadata }, n) => { this.addresses[metadata.name] = `10.96.0.${n + 1}`; });
  }

  open() {
    // In the host's network a pod has the machine's address, which is then none of ours.
    network.open(this.set('starling').spec.template.spec.hostNetwork ? [] : MACHINES);
    this.changed();
  }

  set(name) {
    return this.objects.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === name);
  }

  of(name) {
    return this.pods.filter(({ set }) => set === name);
  }

  pod(name) {
    const found = this.pods.find((pod) => pod.name === name);
    if (!found) throw new Error(`there is no pod ${name}`);
    return found;
  }

  /** Services, policies and names follow what there is. */
  changed() {
    this.refused += network.refused();
    const pods = this.pods.filter(({ far }) => far);
    network.apply(this.objects, pods, this.addresses);
    network.rewrite(this.hosts, network.names(this.objects, pods, this.addresses, this.outside()));
  }

  /** The name under which the service for clients is published, as an ingress would. */
  outside() {
    return { 'api.starling.example.org': this.addresses.starling };
  }

  /** podAntiAffinity by host name: a machine that is not cordoned and has no pod of the set. */
  machine(set) {
    const taken = new Set(this.of(set).map(({ hostIP }) => hostIP));
    const free = MACHINES.findIndex((address) => !taken.has(address) && !this.cordoned.has(address));
    if (free < 0) throw new Error(`no machine for another pod of ${set}`);
    return { hostIP: MACHINES[free], zone: ZONES[free] };
  }

  async create(set, ordinal) {
    const name = set.metadata.name;
    const { hostIP, zone } = this.machine(name);
    this.made = (this.made ?? 0) + 1;
    const podIP = set.spec.template.spec.hostNetwork ? hostIP : `10.88.0.${this.made}`;
    const revision = this.revisions.get(name) ?? 1;
    const spec = podOf(set, ordinal, { podIP, hostIP, region: 'eu-1', zone });
    const pod = new Pod({ ...spec, ordinal, podIP, hostIP, revision }, this.around);
    this.pods.push(pod);
    await pod.start();
    this.changed();
    return pod;
  }

  async remove(pod) {
    await pod.delete();
    this.pods = this.pods.filter((one) => one !== pod);
    this.ended.push(pod);
    this.changed();
  }

  /** podManagementPolicy: Parallel. Comes back when there are as many, all ready. */
  async scale(name, replicas) {
    const set = this.set(name);
    if (set.spec.podManagementPolicy !== 'Parallel') throw new Error(`${name} is not started in parallel`);
    set.spec.replicas = replicas;
    const { start, end } = scaled(replicas, this.of(name).map(({ ordinal }) => ordinal));
    const gone = end.map((ordinal) => this.remove(this.pod(`${name}-${ordinal}`)));
    const made = await Promise.all(start.map((ordinal) => this.create(set, ordinal)));
    await Promise.all([...gone, ...made.map((pod) => this.ready(pod.name))]);
    return made;
  }

  ready(name, within = PATIENCE) {
    return until(`${name} is ready`, within, () => {
      const pod = this.pods.find((one) => one.name === name);
      if (pod?.restarts > 5) throw new Error(`restarted ${pod.restarts} times: ${pod.last.tail}`);
      return pod?.ready && !pod.going && pod;
    });
  }

  /** A new template; highest ordinal first, one at a time, each available before the next one goes. */
  async roll(name, change) {
    const set = this.set(name);
    change(set.spec.template);
    const revision = (this.revisions.get(name) ?? 1) + 1;
    this.revisions.set(name, revision);
    const replaced = [];
    while (this.of(name).some((pod) => pod.revision !== revision)) {
      const ordinal = rolled(set, revision, this.of(name), performance.now());
      if (ordinal === null) {
        await sleep(200);
        continue;
      }
      replaced.push(ordinal);
      await this.replace(this.pod(`${name}-${ordinal}`));
    }
    return replaced;
  }

  async replace(pod) {
    const { set, ordinal } = pod;
    await this.remove(pod);
    await this.create(this.set(set), ordinal);
    return this.ready(pod.name);
  }

  /** The eviction API: refuses with 429 what the budget does not allow; else the pod goes and comes again elsewhere. */
  evict(name) {
    const pod = this.pod(name);
    const budget = this.objects.find(({ kind, metadata }) => kind === 'PodDisruptionBudget' && metadata.name === pod.set);
    if (!mayGo(budget, pod, this.of(pod.set), this.set(pod.set).spec.replicas)) return { status: 429 };
    return { status: 201, done: this.replace(pod) };
  }

  /** `kubectl drain`: no more pods on the machine, and those of a set there are evicted. */
  async drain(machine, name) {
    this.cordoned.add(machine);
    for (const pod of this.of(name).filter(({ hostIP }) => hostIP === machine)) {
      const { done } = await until(`${pod.name} may go`, PATIENCE, () => {
        const answer = this.evict(pod.name);
        return answer.status === 201 && answer;
      });
      await done;
    }
    this.cordoned.delete(machine);
  }

  async stop() {
    for (const pod of this.pods) pod.going = true;
    await Promise.all(this.pods.map((pod) => pod.child?.end()));
    for (const pod of this.pods) pod.far?.stop();
  }
}
