// What is wanted across a boundary, from what was sent and what came; and how often cameras were asked.

/**
 * Bytes that people of `there` want of those of `here` from `from` to `to`: of each camera its layers that
 * anybody there got, once, and each voice.
 */
export function demanded(here, there, from, to) {
  const [first, last] = ends(here.between(from, to));
  const [before, after] = ends(there.between(from, to));
  // Told rows are not as long as what was counted.
  const longer = (to - from) / (last.wall_ms - first.wall_ms);
  let bytes = 0;
  for (const one of last.sent) {
    const then = first.sent.find(({ peer }) => peer === one.peer);
    const got = (row, kind) => row.got.find((it) => it.of === one.peer && it.kind === kind);
    const [old, now] = [got(before, 'video'), got(after, 'video')];
    one.camera.forEach(([, sent], layer) => {
      const came = now && now.by_layer[layer] - (old?.by_layer[layer] ?? 0);
      if (came > 0) bytes += sent - then.camera[layer][1];
    });
    if (got(after, 'audio')) bytes += one.voice[1] - then.voice[1];
  }
  return bytes * longer;
}

const ends = (rows) => [rows[0], rows.at(-1)];
const SECOND = 1000;

/** Key frames asked of cameras from `from` to `to`, and the most of one camera, and of one layer, in a second. */
export function asks(meetings, from, to) {
  const times = new Map();
  let all = 0;
  for (const row of meetings.flatMap((meeting) => meeting.between(from, to))) {
    for (const { peer, asked } of row.sent) {
      for (const [at, layer] of asked.filter(([at]) => at >= from)) {
        all += 1;
        for (const key of [peer, `${peer} ${layer}`]) times.set(key, [...(times.get(key) ?? []), at]);
      }
    }
  }
  const most = (keys) => Math.max(0, ...keys.map((key) => {
    const sorted = times.get(key).sort((a, b) => a - b);
    return Math.max(...sorted.map((at) => sorted.filter((other) => other >= at && other < at + SECOND).length));
  }));
  const keys = [...times.keys()];
  const whole = keys.filter((key) => !key.includes(' '));
  const layers = keys.filter((key) => key.includes(' '));
  return { all, producers: whole.length, most: most(whole), mostOfLayer: most(layers) };
}
