// Every page of the documentation, read as a newcomer would: links lead somewhere, commands are typed in and work.
//
// A ```sh block is run, in the page's one shell, in order. `stays="WORDS"` after `sh` opens a terminal of its own
// and leaves it when it has printed WORDS; lines of `export` that it prints are pasted into the page's shell, as it
// asks for. `fails` is a command that has to fail. `norun="reason"` is not run, and says why. A ```console block is
// run, too, and what it shows is compared but for numbers. json, js and toml are parsed. Nothing else may look like
// a command. `<!-- people 2 in demo -->` stands for tabs that the reader opens, `<!-- stop -->` for Ctrl-C.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fleet } from '../../lib/fleet.mjs';
import { reports, root, starling } from '../../lib/paths.mjs';
import { differences } from '../operating.mjs';
import { blocks, spans } from './blocks.mjs';
import { broken, unlisted } from './links.mjs';
import { check as itself } from './proof.mjs';
import { Scratch } from './scratch.mjs';
import { Shell } from './shell.mjs';

const SUMMARY = 'docs/SUMMARY.md';
/** The suite `operating` runs the one's sessions, with people in the room, and node/tests/cli the other's. */
const OWN_SUITE = ['docs/operating.md', 'docs/cli.md'];
/** Somebody whose pictures a decoder can read, as those of the load generator cannot be. */
const FILM = `ffmpeg -hide_banner -nostdin -re -f lavfi -i testsrc2=size=320x180:rate=15 -f lavfi -i sine=440 \\
  -c:v libx264 -profile:v baseline -preset ultrafast -tune zerolatency -g 15 -pix_fmt yuv420p -b:v 300k \\
  -c:a libopus -ar 48000 -ac 2 -f whip "http://localhost:4443/whip/ROOM?peerId=film"`;
/** What nobody takes for a command. */
const SHOWN = ['text', 'mermaid', 'yaml', 'html', 'http', 'rust', 'ini', 'promql'];

export async function docs({ report }) {
  const asked = process.env.PAGES?.split(',');
  const files = checkout();
  const pages = [...files.keys()].filter((name) => name.endsWith('.md'));
  const wrong = [...itself()];
  for (const page of pages) wrong.push(...broken(page, files), ...inline(page, files.get(page)));
  if (files.has(SUMMARY)) wrong.push(...unlisted(SUMMARY, files.get(SUMMARY), pages));
  const counts = { run: 0, explained: 0, parsed: 0 };
  const scratch = new Scratch();
  try {
    for (const page of pages) {
      if (asked && !asked.includes(page)) continue;
      const found = blocks(files.get(page));
      if (found.length) wrong.push(...await read(page, found, scratch, counts));
    }
  } finally {
    scratch.end();
  }
  for (const sentence of wrong) report.fail(`docs: ${sentence}`);
  report.put('docs_pages', pages.length);
  report.put('docs_blocks_run', counts.run);
  report.put('docs_blocks_not_run_and_why', counts.explained);
  report.put('docs_blocks_parsed', counts.parsed);
}

/** Pages with their text, all other files with none. */
function checkout() {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  const names = listed.trim().split('\n');
  const text = (name) => {
    try {
      return name.endsWith('.md') ? readFileSync(join(root, name), 'utf8') : '';
    } catch {
      return null;
    }
  };
  return new Map(names.map((name) => [name, text(name)]).filter(([, text]) => text !== null));
}

/** One page, from top to bottom. */
async function read(page, found, scratch, counts) {
  const logs = join(reports, 'logs', 'docs', page.replaceAll('/', '-'));
  // What an earlier run wrote must not be taken for what this one writes.
  rmSync(logs, { recursive: true, force: true });
  mkdirSync(logs, { recursive: true });
  const began = performance.now();
  let shell = null;
  const terminal = () => (shell ??= new Shell({ cwd: scratch.checkout(), env: scratch.env, logs }));
  const wrong = [];
  try {
    for (const block of found) {
      const say = (what) => wrong.push(`${page}:${block.line}: ${what}`);
      const kind = judge(block, page);
      if (kind.wrong) say(kind.wrong);
      else if (kind.act) await act(block, terminal()).catch((error) => say(error.message));
      else if (kind.explained) counts.explained += 1;
      else if (kind.run) {
        counts.run += 1;
        (await execute(block, terminal())).forEach(say);
      } else if (kind.parse) {
        counts.parsed += 1;
        const failed = parse(block, logs);
        if (failed) say(failed);
      }
    }
  } finally {
    await shell?.end();
  }
  if (shell) console.log(`  ${page}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return wrong;
}

/** What is to be done with a block: `run`, `parse`, `act`, `explained`, nothing, or what is `wrong` about it. */
export function judge({ language, words }, page) {
  const reason = words.norun;
  if (reason !== undefined) {
    const good = typeof reason === 'string' && reason.includes(' ');
    return good ? { explained: true } : { wrong: 'norun="…" needs a reason' };
  }
  if (language === 'console' && OWN_SUITE.includes(page)) return { explained: true };
  if (language === 'sh' || language === 'console') return { run: true };
  if (['people', 'film', 'stop'].includes(language)) return { act: true };
  if (['json', 'js', 'toml'].includes(language)) return { parse: true };
  if (SHOWN.includes(language)) return {};
  if (language === 'unclosed') return { wrong: 'a block without an end' };
  if (language === 'indented') return { wrong: 'an indented block says not whether it runs: use a fence' };
  const known = ['sh', 'console', 'json', 'js', 'toml', ...SHOWN].join(', ');
  return { wrong: `a block of ${language || 'no language'}; known are ${known}` };
}

/** Runs a block; answers what went otherwise than the page says. */
export async function execute({ language, words, text }, shell) {
  if (language === 'console') return session(text, shell);
  if (words.stays) {
    const { output, failed } = await shell.leave(text, words.stays);
    if (failed) return [`${failed}; it wrote:\n${tail(output)}`];
    const exports = output.split('\n').filter((line) => /^\s+export \w+=/.test(line));
    return exports.length ? execute({ language: 'sh', words: {}, text: exports.join('\n') }, shell) : [];
  }
  const { output, failed } = await shell.run(text);
  if (words.fails) return failed ? [] : ['worked, and the page says that it fails'];
  return failed ? [`${failed}; it wrote:\n${tail(output)}`] : [];
}

/** What the reader does elsewhere. The tabs are people of the load generator: two cores have no room for browsers. */
async function act({ language, words }, shell) {
  if (language === 'stop') return shell.stop();
  if (language === 'film') {
    const { failed } = await shell.leave(FILM.replace('ROOM', words.room), 'Output #0, whip');
    if (failed) throw new Error(`the film: ${failed}`);
    return;
  }
  const nodes = Array.from({ length: Number(words.nodes) }, (_, n) => ({ url: `http://localhost:${4443 + n}` }));
  const members = { members: words.count, publishers: words.count, prefix: 'guest', room: words.room };
  const people = new Fleet({ nodes, secrets: {} }, { ...members, fps: 5, sounds: 5 }, shell.logs);
  shell.guests.push(people);
  await people.ready;
}

/** Commands after `$ `, each with what it writes. */
async function session(text, shell) {
  const wrong = [];
  for (const part of text.split(/^\$ /m).slice(1)) {
    const lines = part.trimEnd().split('\n');
    let command = lines.shift();
    while (command.endsWith('\\')) command += `\n${lines.shift()}`;
    const { output } = await shell.run(command);
    wrong.push(...differences(lines, output.trimEnd().split('\n').filter(Boolean)).map((line) => `${command}: ${line}`));
  }
  return wrong;
}

/** Why a block is not what it says it is. */
export function parse({ language, text }, folder) {
  try {
    if (language === 'json') json(text);
    if (language === 'toml') execFileSync('python3', ['-c', 'import sys, tomllib; tomllib.load(sys.stdin.buffer)'], { input: text, stdio: 'pipe' });
    if (language === 'js') {
      const file = join(folder, 'block.mjs');
      writeFileSync(file, text);
      execFileSync(process.execPath, ['--check', file], { stdio: 'pipe' });
    }
    return null;
  } catch (error) {
    return `no ${language}: ${tail(error.stderr?.toString() || error.message, 3)}`;
  }
}

/** One value, or one on each line. */
function json(text) {
  try {
    JSON.parse(text);
  } catch (whole) {
    try {
      text.trim().split('\n').forEach((line) => JSON.parse(line));
    } catch {
      throw whole;
    }
  }
}

/** Commands within sentences: that there is such a target, and that the program takes such words. */
export function inline(page, text) {
  const wrong = [];
  for (const { code, line } of spans(text, 'make')) {
    const unknown = code.split(' ').slice(1).filter((word) => /^[a-z][\w-]*$/.test(word) && !targets().has(word));
    if (unknown.length) wrong.push(`${page}:${line}: ${code}: no such target`);
  }
  for (const { code, line } of spans(text, 'starling')) {
    if (/[|…$<[]/.test(code)) continue;
    const done = quietly(starling(), [...code.split(' ').slice(1), '--help']);
    // NODE stands for a name, and a flag whose value everybody knows stands without it.
    if (done && !/invalid value|a value is required/.test(done)) wrong.push(`${page}:${line}: ${code}: ${done}`);
  }
  return wrong;
}

/** What `make` can be asked for. */
function targets() {
  const makefile = readFileSync(join(root, 'Makefile'), 'utf8');
  return new Set([...makefile.matchAll(/^([a-z][\w -]*):(?!=)/gm)].flatMap(([, names]) => names.split(' ')));
}

/** Pages name the same commands again and again. */
const tried = new Map();

/** Nothing if it works, else the first line of why not. */
function quietly(program, args) {
  const key = [program, ...args].join(' ');
  if (!tried.has(key)) tried.set(key, failure(program, args));
  return tried.get(key);
}

function failure(program, args) {
  try {
    execFileSync(program, args, { stdio: 'pipe', timeout: 10_000 });
    return null;
  } catch (error) {
    return (error.stderr?.toString() || error.message).trim().split('\n')[0];
  }
}

function tail(text, lines = 8) {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
