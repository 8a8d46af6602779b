// The terminal session of docs/operating.md, run: each `$ ` line against a cluster as the page describes it, its
// output beside what the page shows. Numbers vary; names, words and columns do not. RECORD=1 writes the page anew.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Fleet } from '../lib/fleet.mjs';
import { SECRETS } from '../lib/cluster.mjs';
import { root, starling } from '../lib/paths.mjs';

const PAGE = join(root, 'docs', 'operating.md');
/** As the page says: where the nodes are, and who is in the room. */
export const DEV = ['--regions', 'eu,eu,us', '--zones', 'a,b,a'];
const PEOPLE = { room: 'demo', prefix: 'guest', members: 4, publishers: 2, fps: 5, sounds: 5 };
const BLOCK = /^```console\n([^]*?)^```$/gm;
/** A drain that waits is the longest. */
const WITHIN = 60_000;

export async function operating({ cluster, report }) {
  const page = readFileSync(PAGE, 'utf8');
  const first = { ...cluster, nodes: cluster.nodes.slice(0, 1), secrets: {} };
  const people = new Fleet(first, PEOPLE, cluster.logs);
  await people.ready;
  const bin = mkdtempSync(join(tmpdir(), 'starling-bin-'));
  symlinkSync(resolve(starling()), join(bin, 'starling'));
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    STARLING_SERVER: cluster.nodes[0].url,
    STARLING_TOKEN: SECRETS.STARLING_ADMIN_TOKEN,
  };
  try {
    const recorded = [];
    for (const [, text] of page.matchAll(BLOCK)) recorded.push(await block(text, env, report));
    if (process.env.RECORD) {
      const texts = recorded.values();
      writeFileSync(PAGE, page.replace(BLOCK, () => `\`\`\`console\n${texts.next().value}\`\`\``));
    }
  } finally {
    people.stop();
    rmSync(bin, { recursive: true, force: true });
  }
}

/** Runs a block's commands, compares, and returns it with what they wrote. */
async function block(text, env, report) {
  let written = '';
  for (const part of text.split(/^\$ /m).slice(1)) {
    const [command, ...shown] = part.trimEnd().split('\n');
    const output = await run(command, env);
    const differ = differences(shown, output);
    if (differ.length) report.fail(`operating: $ ${command}\n    ${differ.join('\n    ')}`);
    report.put('operating_commands', (report.figures.operating_commands ?? 0) + 1);
    written += `$ ${command}\n${output.map((line) => `${line}\n`).join('')}`;
  }
  return written;
}

/** Both streams, as a terminal shows them. */
function run(command, env) {
  return new Promise((answer) => {
    execFile('sh', ['-c', `exec 2>&1; ${command}`], { env, timeout: WITHIN }, (_, stdout) => {
      answer(stdout.trimEnd().split('\n'));
    });
  });
}

/**
 * Nothing if both have the same lines but for numbers, in whatever order (equals in a table change places) and however
 * often (a line of progress).
 */
export function differences(shown, output) {
  const [page, written] = [shown, output].map((lines) => new Set(lines.map(form)));
  const missing = shown.filter((line) => !written.has(form(line)));
  const more = output.filter((line) => !page.has(form(line)));
  return [
    ...missing.map((line) => `only on the page: ${line}`),
    ...more.map((line) => `only written:     ${line}`),
  ];
}

/** A line without what varies: numbers (an empty cell is one), and how wide columns are. */
function form(line) {
  const number = /^(-|[+-]?\d+([.+]\d+)*(%|s|ms)?)$/;
  return line.trim().split(/\s+/).map((word) => (number.test(word) ? '#' : word)).join(' ');
}
