// mdBook's preprocessor: what stands in the repository beside docs/ and is read by people comes in as chapters of its
// own, and links to it, and from it, are mended. Links to anything else outside lead to the repository.

import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const PART = 'Beside the book';
/** Page in the repository, and its place in the book. */
const GUESTS = {
  'README.md': ['about.md', 'The README'],
  'ARCHITECTURE.md': ['architecture.md', 'Architecture'],
  'CONTRIBUTING.md': ['contributing.md', 'Contributing'],
  'SECURITY.md': ['security.md', 'Security'],
  'CHANGELOG.md': ['changelog.md', 'Changelog'],
  'k8s/README.md': ['kubernetes-manifests.md', 'The Kubernetes manifests'],
  'node/web/client/README.md': ['client.md', '@starling/client'],
  'examples/README.md': ['examples.md', 'Examples'],
  'examples/token-server/README.md': ['examples-token-server.md', 'Token server'],
  'examples/whip-broadcaster/README.md': ['examples-whip-broadcaster.md', 'Broadcaster'],
  'examples/own-signalling/README.md': ['examples-own-signalling.md', 'Own signalling'],
  'examples/webhook-receiver/README.md': ['examples-webhook-receiver.md', 'Webhook receiver'],
  'examples/recorder/README.md': ['examples-recorder.md', 'Recorder'],
};
const LINK = /(\]\()([^()\s]+)(\))/g;

/** A page's links, from where it stands in the repository to where everything is in the book. */
export function mend(text, page, place, repository) {
  return text.replace(LINK, (whole, open, target, close) => {
    if (/^(\w+:|#)/.test(target)) return whole;
    const [path, anchor] = target.split('#');
    const file = posix.normalize(posix.join(posix.dirname(page), path)).replace(/\/$/, '');
    const guest = GUESTS[file]?.[0] ?? GUESTS[`${file}/README.md`]?.[0];
    const inBook = guest ?? (file.startsWith('docs/') ? file.slice('docs/'.length) : null);
    const mended = inBook ? posix.relative(posix.dirname(place), inBook) : `${repository}/blob/main/${file}`;
    return `${open}${mended}${anchor ? `#${anchor}` : ''}${close}`;
  });
}

function main() {
  if (process.argv[2] === 'supports') process.exit(process.argv[3] === 'html' ? 0 : 1);
  const [context, book] = JSON.parse(readFileSync(0, 'utf8'));
  const repository = context.config.output.html['git-repository-url'];
  const items = book.items ?? book.sections;
  const each = (entry) => {
    if (!entry.Chapter) return;
    const { path } = entry.Chapter;
    if (path) entry.Chapter.content = mend(entry.Chapter.content, `docs/${path}`, path, repository);
    entry.Chapter.sub_items.forEach(each);
  };
  items.forEach(each);
  items.push({ PartTitle: PART });
  for (const [page, [path, name]] of Object.entries(GUESTS)) {
    const content = mend(readFileSync(join(root, page), 'utf8'), page, path, repository);
    items.push({ Chapter: {
      name, content, number: null, sub_items: [], path, source_path: path, parent_names: [],
    } });
  }
  process.stdout.write(JSON.stringify(book));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
