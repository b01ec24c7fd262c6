import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { optionsTable } from '../../src/options/options-table.ts';
import { loadScript } from '../scripts/load-script.ts';

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

// When one of these fails: npm run build && node scripts/update-docs.mjs
test('the table of options in docs/options.md is the one that the program knows', () => {
  expect(read('options.md')).toContain(optionsTable());
});

test('the chart shows the numbers of docs/numbers.md', async () => {
  const { ratiosChart } = await loadScript('lib/ratios-chart.mjs');
  const numbers = read('numbers.md');
  expect(read('ratios.svg')).toBe(ratiosChart(numbers));
  const other = numbers.replace('18.3 s', '19.3 s');
  expect(ratiosChart(other)).not.toBe(ratiosChart(numbers));
});

test.each(['../../src/README.md', '../../CONTRIBUTING.md'])(
  'each file of src, test and scripts that %s names is there',
  (page) => {
    const text = readFileSync(new URL(page, import.meta.url), 'utf8');
    const named = text.match(/(?<![\w/.-])(?:src|test|scripts|docs)\/[\w./-]*\w/g) ?? [];
    const lost = named.filter((path) => !existsSync(new URL(`../../${path}`, import.meta.url)));
    expect(named.length).toBeGreaterThan(5);
    expect(lost).toEqual([]);
  },
);
