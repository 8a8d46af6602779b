// What a reader has before the first command: a fresh checkout, `starling` on the PATH, a home of their own, and
// nothing of ours in the environment. What takes minutes and is done already is taken from here: the binary that is
// under test is what `make run` would have built, and cargo therefore is `true`.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { etcd, root, starling } from '../../lib/paths.mjs';

/** Where the README says that the source is. In here that is the checkout itself. */
const SOURCE = 'https://github.com/starling-sfu/starling';
/** What is built or installed and not in the source: pages of the binary, and packages. */
const MADE = ['node/web/dist', 'node/web/node_modules', 'node/web/client/dist', 'tests/e2e/node_modules'];
/** Examples whose packages are those of the page (the suite `examples` sees that they are). */
const SAME = ['examples/own-signalling'];
const KEPT = ['LANG', 'TERM', 'USER'];

export class Scratch {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'starling-docs-'));
    this.made = 0;
    for (const name of ['bin', 'home', 'target/release', 'template/hooks']) this.make(name);
    const program = resolve(starling());
    symlinkSync(program, join(this.folder, 'bin', 'starling'));
    symlinkSync(program, join(this.folder, 'target', 'release', 'starling'));
    symlinkSync(etcd(), join(this.folder, 'bin', 'etcd'));
    const ffmpeg = newFfmpeg();
    if (ffmpeg) symlinkSync(ffmpeg, join(this.folder, 'bin', 'ffmpeg'));
    // Newer than all that the page is built of.
    const stamp = join(this.folder, 'target', 'page.stamp');
    writeFileSync(stamp, '');
    utimesSync(stamp, new Date(), new Date(Date.now() + 3600_000));
    this.git();
  }

  make(name) {
    mkdirSync(join(this.folder, name), { recursive: true });
    return join(this.folder, name);
  }

  /** `git clone` of the published source is one of this checkout, with what is built here. */
  git() {
    const links = MADE.filter((name) => existsSync(join(root, name)));
    const hook = links.map((name) => `mkdir -p ${dirname(name)} && ln -sfn '${join(root, name)}' ${name}\n`);
    writeFileSync(join(this.folder, 'template', 'hooks', 'post-checkout'), `#!/bin/sh\n${hook.join('')}`, { mode: 0o755 });
    writeFileSync(join(this.folder, 'home', '.gitconfig'), [
      `[url "${root}"]`, `\tinsteadOf = ${SOURCE}`,
      '[init]', `\ttemplateDir = ${join(this.folder, 'template')}`,
      '[safe]', '\tdirectory = *', '',
    ].join('\n'));
  }

  /** A copy of the checkout as it is now, for one page. */
  checkout() {
    const cwd = this.make(`checkout-${++this.made}`);
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
    const names = listed.toString().split('\0').filter((name) => name && existsSync(join(root, name)));
    const tar = execFileSync('tar', ['-C', root, '-cf', '-', '--null', '-T', '-'],
      { input: names.join('\0'), maxBuffer: 512 * 1024 * 1024 });
    execFileSync('tar', ['-C', cwd, '-xf', '-'], { input: tar });
    const link = (from, to) => {
      mkdirSync(join(cwd, dirname(to)), { recursive: true });
      symlinkSync(join(root, from), join(cwd, to));
    };
    for (const name of MADE.filter((name) => existsSync(join(root, name)))) link(name, name);
    for (const name of SAME) link('node/web/node_modules', `${name}/node_modules`);
    return cwd;
  }

  get env() {
    const kept = KEPT.filter((name) => process.env[name]).map((name) => [name, process.env[name]]);
    return {
      ...Object.fromEntries(kept),
      HOME: join(this.folder, 'home'),
      PATH: `${join(this.folder, 'bin')}:${process.env.PATH}`,
      CARGO: 'true',
      CARGO_TARGET_DIR: join(this.folder, 'target'),
      NO_COLOR: '1',
    };
  }

  end() {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** An ffmpeg with the whip muxer, as `tests/setup.sh clients` installs it; the system's may have none. */
function newFfmpeg() {
  const venv = join(root, 'target', 'clients', 'venv', 'lib');
  if (!existsSync(venv)) return null;
  for (const python of readdirSync(venv)) {
    const folder = join(venv, python, 'site-packages', 'imageio_ffmpeg', 'binaries');
    const found = existsSync(folder) && readdirSync(folder).find((name) => name.startsWith('ffmpeg-'));
    if (found) return join(folder, found);
  }
  return null;
}
