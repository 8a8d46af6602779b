// The machine against the cases that the cluster's own is held to.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { load } from './load.mjs';

const { ClientSession } = await load('rejoin.ts');
const folder = new URL('../../../../cluster/fixtures/rejoin/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

test('there are cases', () => assert.ok(files.length >= 5, String(files)));

for (const file of files) {
  for (const [name, steps] of JSON.parse(readFileSync(new URL(file, folder), 'utf8'))) {
    test(`${file}: ${name}`, () => {
      const session = new ClientSession(0);
      for (const [at, random, input, outputs, next] of steps) {
        assert.deepEqual(session.handle(at, input, random), outputs, `at ${at}`);
        assert.equal(session.next(), next, `what is due after ${at}`);
      }
    });
  }
}
