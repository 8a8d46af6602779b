// What a kubelet makes of a pod's template: the exact command, environment, mounts, probes and hook of its one
// container. Pure; the rules are Kubernetes' (API reference of Container, EnvVar and Probe), by name beside each.

/** What an image brings along; the manifest's `command` and `args` replace them. */
export const IMAGES = {
  starling: { entrypoint: ['/usr/local/bin/starling'], cmd: ['node'], path: '/usr/local/sbin:/usr/local/bin:/usr/bin' },
  'quay.io/coreos/etcd': { entrypoint: [], cmd: ['/usr/local/bin/etcd'], path: '/usr/local/bin:/usr/bin' },
};

/** Pod number `ordinal` of a StatefulSet. `facts` is what the downward API knows: podIP, hostIP, region, zone. */
export function podOf(set, ordinal, facts) {
  const { metadata, spec } = set.spec.template;
  const name = `${set.metadata.name}-${ordinal}`;
  const labels = {
    ...metadata.labels,
    'statefulset.kubernetes.io/pod-name': name,
    'topology.kubernetes.io/region': facts.region,
    'topology.kubernetes.io/zone': facts.zone,
  };
  if (spec.containers.length !== 1) throw new Error(`${name} has ${spec.containers.length} containers`);
  const [container] = spec.containers;
  const { namespace } = set.metadata;
  const fields = { ...facts, name, namespace, labels };
  const env = environment(container.env ?? [], fields);
  return {
    name, labels, namespace,
    set: set.metadata.name,
    template: set.spec.template,
    image: container.image,
    env: { PATH: imageOf(container).path, HOSTNAME: name, ...env },
    command: command(container, env),
    ports: container.ports,
    mounts: mounts(spec, container, set),
    probes: probes(container),
    preStop: container.lifecycle?.preStop?.exec.command.map((word) => expanded(word, env)) ?? null,
    // PodSpec: 30 s if nothing is said.
    grace: spec.terminationGracePeriodSeconds ?? 30,
    identity: identity(spec, container),
    hostNetwork: spec.hostNetwork ?? false,
  };
}

function imageOf({ image }) {
  const found = IMAGES[image.split(':')[0]];
  if (!found) throw new Error(`nobody here has the image ${image}`);
  return found;
}

/** Container.command, args: ENTRYPOINT is replaced by the one, CMD by the other, and by `command` as well. */
function command(container, env) {
  const { entrypoint, cmd } = imageOf(container);
  const words = [...(container.command ?? entrypoint), ...(container.args ?? (container.command ? [] : cmd))];
  return words.map((word) => expanded(word, env));
}

/** EnvVar.value: a reference reaches what stands above it; EnvVarSource.fieldRef: the downward API. */
function environment(entries, fields) {
  const env = {};
  for (const { name, value, valueFrom } of entries) {
    env[name] = valueFrom ? field(valueFrom.fieldRef.fieldPath, fields) : expanded(value ?? '', env);
  }
  return env;
}

function field(path, { name, namespace, podIP, hostIP, labels }) {
  const label = path.match(/^metadata\.labels\['(.+)'\]$/);
  // A label that is not there is an empty text.
  if (label) return labels[label[1]] ?? '';
  const known = { 'metadata.name': name, 'metadata.namespace': namespace, 'status.podIP': podIP, 'status.hostIP': hostIP };
  if (!(path in known)) throw new Error(`the downward API has no ${path} here`);
  return known[path];
}

/** `$(NAME)` is its value, or itself if there is none; `$$` is one `$`. */
export function expanded(text, env) {
  return text.replace(/\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (all, name) => {
    if (all === '$$') return '$';
    return name in env ? env[name] : all;
  });
}

/** Where what is mounted: a secret's files, or a folder that is the pod's (or, of a claim, its name's) own. */
function mounts(spec, container, set) {
  const claims = new Set((set.spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name));
  const volumes = new Map((spec.volumes ?? []).map((volume) => [volume.name, volume]));
  return (container.volumeMounts ?? []).map(({ name, mountPath, readOnly = false }) => {
    if (claims.has(name)) return { path: mountPath, claim: name, readOnly };
    const { secret, emptyDir } = volumes.get(name);
    if (secret) return { path: mountPath, secret: secret.secretName, mode: secret.defaultMode ?? 0o644, readOnly };
    if (emptyDir) return { path: mountPath, empty: name, readOnly };
    throw new Error(`${name} is a volume of a kind that is not known here`);
  });
}

/** Probe: what is left out is 0, 1, 10, 1 and 3. */
function probes(container) {
  const of = (probe) => probe && {
    path: probe.httpGet.path,
    port: container.ports.find(({ name }) => name === probe.httpGet.port).containerPort,
    delay: probe.initialDelaySeconds ?? 0,
    timeout: probe.timeoutSeconds ?? 1,
    period: probe.periodSeconds ?? 10,
    successes: probe.successThreshold ?? 1,
    failures: probe.failureThreshold ?? 3,
    grace: probe.terminationGracePeriodSeconds ?? null,
  };
  const { startupProbe, livenessProbe, readinessProbe } = container;
  return { startup: of(startupProbe), liveness: of(livenessProbe), readiness: of(readinessProbe) };
}

function identity(spec, container) {
  const outer = spec.securityContext ?? {};
  const inner = container.securityContext ?? {};
  return {
    user: inner.runAsUser ?? outer.runAsUser,
    group: inner.runAsGroup ?? outer.runAsGroup,
    files: outer.fsGroup,
    noMore: inner.allowPrivilegeEscalation === false,
    readOnly: inner.readOnlyRootFilesystem === true,
    dropped: inner.capabilities?.drop ?? [],
  };
}
