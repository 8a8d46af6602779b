// Where things are.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
export const reports = join(root, 'target', 'reports');
export const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** The server: STARLING, or the release build, or the debug build. */
export function starling() {
  return binary('starling', process.env.STARLING, '-p starling-node');
}

/** A wire between two namespaces: STARLING_WIRE, or as built. */
export function wire() {
  return binary('starling-wire', process.env.STARLING_WIRE, '-p starling-tests');
}

/** The load generator: STARLING_LOAD, or as built. */
export function load() {
  return binary('starling-load', process.env.STARLING_LOAD, '-p starling-tests');
}

function binary(name, named, packages) {
  const built = ['release', 'debug'].map((profile) => join(root, 'target', profile, name));
  const found = named ?? built.find(existsSync);
  if (!found) throw new Error(`no ${name} binary: run \`cargo build --release ${packages}\``);
  return found;
}

/** The etcd that the Rust tests use: it comes with the crate etcd-bin-vendored. */
export function etcd() {
  if (process.env.ETCD_BIN) return process.env.ETCD_BIN;
  const cpu = { x64: 'amd64', arm64: 'arm64' }[process.arch];
  const name = `etcd-bin-vendored-linux-${cpu}`;
  const metadata = execFileSync('cargo', ['metadata', '--format-version', '1', '--locked'], {
    cwd: root,
    maxBuffer: 256 * 1024 * 1024,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const found = JSON.parse(metadata).packages.find((item) => item.name === name);
  const program = found && join(dirname(found.manifest_path), 'bin', 'etcd');
  if (!program || !existsSync(program)) throw new Error(`no etcd: ${name} is not fetched`);
  return program;
}
