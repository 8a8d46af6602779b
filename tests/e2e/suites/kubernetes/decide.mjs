// What Kubernetes' controllers decide, as functions: probes' thresholds, back-off, budgets, rolling updates, services.

/** A probe's answers in a row; `verdict` is null until a threshold is reached, and then stays until the other one is. */
export const untold = { good: 0, bad: 0, verdict: null };

export function told(state, ok, { successes, failures }) {
  const good = ok ? state.good + 1 : 0;
  const bad = ok ? 0 : state.bad + 1;
  const verdict = good >= successes ? true : bad >= failures ? false : state.verdict;
  return { good, bad, verdict };
}

/** Milliseconds until the `n`-th restart of a container: the first at once, then 10 s, doubled up to five minutes. */
export function backOff(n) {
  return n <= 1 ? 0 : Math.min(10_000 * 2 ** (n - 2), 300_000);
}

/** Whether the eviction API lets a pod go: PodDisruptionBudget with maxUnavailable and AlwaysAllow. */
export function mayGo(budget, pod, pods, expected) {
  if (budget.spec.unhealthyPodEvictionPolicy === 'AlwaysAllow' && !pod.ready) return true;
  const healthy = pods.filter(({ ready, going }) => ready && !going).length;
  return healthy - 1 >= expected - budget.spec.maxUnavailable;
}

/** The ordinals that scaling to `replicas` starts, and those that it ends, highest first. */
export function scaled(replicas, there) {
  const start = Array.from({ length: replicas }, (_, n) => n).filter((n) => !there.includes(n));
  const end = there.filter((n) => n >= replicas).sort((one, other) => other - one);
  return { start, end };
}

/**
 * Which ordinal a rolling update replaces now: the highest of the old revision, not below the partition, and nobody
 * while another one is not available. `null`: wait, or done.
 */
export function rolled(set, revision, pods, now) {
  const least = (set.spec.minReadySeconds ?? 0) * 1000;
  const available = ({ going, ready, readySince }) => !going && ready && now - readySince >= least;
  if (pods.length < set.spec.replicas || !pods.every(available)) return null;
  const { partition = 0 } = set.spec.updateStrategy.rollingUpdate ?? {};
  const old = pods.filter((pod) => pod.revision !== revision && pod.ordinal >= partition);
  return old.length ? Math.max(...old.map(({ ordinal }) => ordinal)) : null;
}

/**
 * The pods that a service sends new connections to: ready ones that are not going; if there are none, ready ones
 * that go (EndpointSlice: `serving` and `terminating`).
 */
export function endpoints(service, pods) {
  const meant = pods.filter(({ labels }) => selects(service.spec.selector, labels));
  if (service.spec.publishNotReadyAddresses) return meant;
  const ready = meant.filter((pod) => pod.ready);
  const staying = ready.filter(({ going }) => !going);
  return staying.length ? staying : ready;
}

export function selects(selector, labels) {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
