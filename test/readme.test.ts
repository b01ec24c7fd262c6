import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { optionsTable } from '../src/options/options-table.ts';

// When this fails: npm run build && node scripts/update-readme.mjs
test('the table of options in the README is the one that the program knows', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  expect(readme).toContain(optionsTable());
});
