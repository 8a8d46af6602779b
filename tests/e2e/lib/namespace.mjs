// A network and process namespace of one's own: the machine's ports and loopback stay untouched, losses
// hit nobody else, and whatever was started ends with it, however it ends.

import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';

const INSIDE = 'STARLING_E2E_INSIDE';

/** True inside. Outside, runs this script again inside and exits with its code. */
export async function enter() {
  if (process.env[INSIDE]) {
    spawnSync('ip', ['link', 'set', 'lo', 'up'], { stdio: 'inherit' });
    process.stdin.on('end', leave).resume();
    favour();
    return;
  }
  const asRoot = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const flags = [...asRoot, '--net', '--pid', '--mount-proc', '--fork', '--kill-child'];
  const child = spawn('unshare', [...flags, process.execPath, ...process.argv.slice(1)], {
    // The end of its input tells it that we were killed.
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, [INSIDE]: '1' },
    // A session of its own; see `favour`.
    detached: true,
  });
  child.on('error', (error) => {
    console.error(`cannot make a namespace: ${error.message}; install util-linux, run as root, or `
      + 'allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)');
    process.exit(2);
  });
  // `unshare` itself hears no signals while it waits.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.stdin.end());
  const code = await new Promise((done) => child.on('exit', (code) => done(code ?? 1)));
  process.exit(code);
}

/** Ends as on a signal, and in any case: all that runs in here ends with us. */
function leave() {
  setTimeout(() => process.exit(1), 5000).unref();
  if (!process.emit('SIGTERM')) process.exit(1);
}

/**
 * Puts everything in here before what else runs on the machine: a compiler beside us must not look like a
 * freeze. Without the rights for it nothing changes.
 */
export function favour() {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      // Nice values count within a session only; this one counts between sessions.
      writeFileSync(`/proc/${pid}/autogroup`, '-10');
    } catch {
      // Ended meanwhile, not allowed, or a kernel without groups.
    }
  }
}

/** Drops `percent` of the datagrams to and from UDP ports, in ranges of a first and a last one. */
export function lose(percent, ...ranges) {
  const ports = `{ ${ranges.map(({ first, last }) => `${first}-${last}`).join(', ')} }`;
  const which = percent < 100 ? `numgen random mod 1000 < ${Math.round(percent * 10)} ` : '';
  const some = `${which}counter drop`;
  nft(`add table inet starling_loss
    add chain inet starling_loss out { type filter hook output priority 0; }
    add rule inet starling_loss out udp dport ${ports} ${some}
    add rule inet starling_loss out udp sport ${ports} ${some}`);
}

/** Ends the losses; returns how many datagrams were dropped. */
export function loseNothing() {
  const listed = spawnSync('nft', ['list', 'table', 'inet', 'starling_loss'], { encoding: 'utf8' });
  nft('delete table inet starling_loss');
  const counts = [...(listed.stdout ?? '').matchAll(/packets (\d+)/g)].map((hit) => Number(hit[1]));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Changes the firewall of this namespace. */
export function nft(script) {
  const input = script.replace(/^\s+/gm, '');
  const done = spawnSync('nft', ['-f', '-'], { input, encoding: 'utf8' });
  if (done.error) throw new Error(`nft: ${done.error.message}; install nftables`);
  if (done.status !== 0) throw new Error(`nft: ${done.stderr}`);
}
