// What a page has in fences, and what its info strings say of them. Pure.

const FENCE = /^( *)(`{3,}|~{3,}) *([^`]*)$/;
const LIST = /^ *([-*+]|\d+[.)]) /;
/** What a reader does between two commands, in a comment that readers do not see. */
const ACT = /^<!-- (?:(stop)|(film) in (\S+)|people (\d+) in (\S+)(?: on (\d+))?) -->$/;

/**
 * All blocks of a page: `{language, words, text, line}`. Words are what follows the language, as
 * `stays="Ctrl-C"`; text that is indented by four is a block of the language `indented`. What readers do elsewhere is one
 * of `stop` (Ctrl-C in all terminals), `people` (tabs that they open: how many, in which room, on how many nodes) or
 * `film` (a tab whose camera matters).
 */
export function blocks(markdown) {
  const found = [];
  let open = null;
  let inList = false;
  let blank = true;
  for (const [at, line] of markdown.split('\n').entries()) {
    const fence = FENCE.exec(line);
    if (open) {
      if (fence && fence[2].startsWith(open.mark) && !fence[3].trim()) {
        found.push(open.block);
        open = null;
      } else {
        open.block.text += `${line.slice(Math.min(open.indent, line.search(/\S|$/)))}\n`;
      }
      blank = false;
      continue;
    }
    if (fence) {
      const [language = '', ...rest] = fence[3].trim().split(' ');
      const block = { language, words: words(rest.join(' ')), text: '', line: at + 1 };
      open = { mark: fence[2], indent: fence[1].length, block };
      continue;
    }
    const act = ACT.exec(line);
    if (act) {
      const [, stop, film, studio, count, room = studio, nodes = '1'] = act;
      found.push({ language: stop ?? film ?? 'people', words: { count, room, nodes }, text: '', line: at + 1 });
    }
    if (line.trim() && !/^\s/.test(line)) inList = LIST.test(line);
    if (/^( {4}|\t)\S/.test(line) && blank && !inList) {
      found.push({ language: 'indented', words: {}, text: line, line: at + 1 });
    }
    blank = !line.trim();
  }
  if (open) found.push({ ...open.block, language: 'unclosed' });
  return found;
}

function words(text) {
  const hits = [...text.matchAll(/([\w-]+)(?:="([^"]*)")?/g)];
  return Object.fromEntries(hits.map(([, name, value]) => [name, value ?? true]));
}

/** A page without its fences, line for line. */
export function prose(markdown) {
  let mark = null;
  return markdown.split('\n').map((line) => {
    const fence = FENCE.exec(line);
    if (mark) {
      if (fence && fence[2].startsWith(mark) && !fence[3].trim()) mark = null;
      return '';
    }
    if (fence) mark = fence[2];
    return fence ? '' : line;
  });
}

/** Words of commands that a page has within its sentences: ``starling nodes list``, ``make sim SEEDS=5``. */
export function spans(markdown, program) {
  const found = new Map();
  for (const [at, line] of prose(markdown).entries()) {
    for (const [, code] of line.matchAll(/`([^`]+)`/g)) {
      if (code.startsWith(`${program} `)) found.set(code, at + 1);
    }
  }
  return [...found].map(([code, line]) => ({ code, line }));
}
