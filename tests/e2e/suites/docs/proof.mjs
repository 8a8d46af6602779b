// The checks of pages, held against a page in which everything is wrong that they are for: each has to be found, and
// of the good page nothing.

import { blocks } from './blocks.mjs';
import { judge } from './index.mjs';
import { broken, unlisted } from './links.mjs';

const BAD = `# A page

    make run

[nowhere](nowhere.md), [no heading](#not-there), ![](picture.png), [other](other.md#a-heading-1)

\`\`\`
some words
\`\`\`

\`\`\`bash
rm -rf /
\`\`\`

\`\`\`sh norun
make test
\`\`\`

\`\`\`sh
never closed
`;
const GOOD = `# A page

- a list

      its own text

[other](other.md#a-heading), [twice](other.md#a-heading-1), [folder](docs), [here](#a-page), \`[code](nowhere)\`

\`\`\`sh
true
\`\`\`

1. In a list

   \`\`\`sh norun="it would take an hour"
   make chaos
   \`\`\`
`;
const FILES = new Map([['good.md', GOOD], ['bad.md', BAD], ['other.md', '# A heading\n\n## A heading\n'],
  ['picture.png', ''], ['docs/SUMMARY.md', '[a](a.md)\n[a](a.md)'], ['docs/a.md', ''], ['docs/b.md', '']]);

/** What the checks miss, or find where there is nothing. */
export function check() {
  const found = [...blocks(BAD).map((block) => judge(block, 'bad.md').wrong ?? ''), ...broken('bad.md', FILES)];
  const wanted = ['an indented block', 'a block of no language', 'a block of bash', 'needs a reason',
    'without an end', 'leads nowhere: nowhere.md', 'no such heading: #not-there', 'a picture without words'];
  const lists = unlisted('docs/SUMMARY.md', FILES.get('docs/SUMMARY.md'), ['docs/SUMMARY.md', 'docs/a.md', 'docs/b.md']);
  const noise = [...blocks(GOOD).map((block) => judge(block, 'good.md').wrong), ...broken('good.md', FILES)];
  return [
    ...wanted.filter((words) => !found.some((text) => text.includes(words))).map((words) => `the check is blind to ${words}`),
    ...['lacks docs/b.md', 'has docs/a.md twice'].filter((words) => !lists.some((text) => text.includes(words))),
    ...noise.filter(Boolean).map((text) => `the check finds in a good page: ${text}`),
  ];
}
