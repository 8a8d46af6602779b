// Links of pages: that what they lead to is there, and its heading, too. Pure: files come as a map.

import { posix } from 'node:path';
import { prose } from './blocks.mjs';

const LINK = /(!?)\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^()\s]+(?:\([^()]*\))?)(?: "[^"]*")?\)/g;

/** Links of a page as `{target, line, picture, text}`, those in code left out. */
export function links(markdown) {
  return prose(markdown).flatMap((line, at) => {
    const bare = line.replace(/`[^`]*`/g, (code) => 'x'.repeat(code.length));
    const hits = [...bare.matchAll(LINK)];
    const inner = hits.flatMap((hit) => [...hit[2].matchAll(LINK)]);
    return [...hits, ...inner].map(([, picture, text, target]) => ({
      target, text, picture: picture === '!', line: at + 1,
    }));
  });
}

/** Anchors of a page, as GitHub and mdBook make them of headings. */
export function anchors(markdown) {
  const seen = new Map();
  const found = new Set();
  for (const line of prose(markdown)) {
    const heading = /^#{1,6} +(.*?) *#*$/.exec(line);
    if (!heading) continue;
    const text = heading[1].replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '');
    const slug = text.toLowerCase().replace(/[^\p{L}\p{N}\- _]/gu, '').replace(/ /g, '-');
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    found.add(before ? `${slug}-${before}` : slug);
  }
  return found;
}

/** What is wrong with a page's links. `files` has the text of each page, and something for every other file. */
export function broken(page, files) {
  const wrong = [];
  const folders = new Set([...files.keys()].flatMap(parents));
  for (const { target, text, picture, line } of links(files.get(page))) {
    const say = (what) => wrong.push(`${page}:${line}: ${what}: ${target}`);
    if (picture && !text.trim()) say('a picture without words for who cannot see it');
    if (/^(https?|mailto):/.test(target)) continue;
    const [path, anchor] = target.split('#');
    const file = path ? posix.normalize(posix.join(posix.dirname(page), path)).replace(/\/$/, '') : page;
    if (!files.has(file)) {
      if (!folders.has(file)) say('leads nowhere');
    } else if (anchor && file.endsWith('.md') && !anchors(files.get(file)).has(anchor)) {
      say('no such heading');
    }
  }
  return wrong;
}

function parents(path) {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, n) => parts.slice(0, n + 1).join('/'));
}

/** Pages of the book's folder that its SUMMARY.md does not name, or names twice. */
export function unlisted(summary, text, pages) {
  const folder = posix.dirname(summary);
  const named = links(text).map(({ target }) => posix.join(folder, target.split('#')[0]));
  // A folder with a README is listed by it: run-books are looked up, not read in a row.
  const within = (page) => !page.endsWith('/README.md') && pages.includes(posix.join(posix.dirname(page), 'README.md'));
  const own = pages.filter((page) => page.startsWith(`${folder}/`) && page !== summary && !within(page));
  return [
    ...own.filter((page) => !named.includes(page)).map((page) => `${summary}: lacks ${page}`),
    ...named.filter((name, at) => named.indexOf(name) !== at).map((page) => `${summary}: has ${page} twice`),
  ];
}
