import { expect, test } from 'vitest';
import { RunError } from '../src/errors.ts';
import { parseJson, printableJson, show } from '../src/json.ts';

const parse = (text: string) => parseJson(text, { name: 'x.json', error: RunError, fix: 'Fix.' });

test('values come back, brackets and quotes in texts are no depth', () => {
  const value = { a: [1, null, { b: '["\\\\"]'.repeat(200) }], '': true };
  expect(parse(JSON.stringify(value))).toEqual(value);
});

test.each<[string, string, RegExp]>([
  ['deep lists', '['.repeat(200_000), /nested deeper than 128/],
  ['deep objects', `${'{"a":'.repeat(129)}1${'}'.repeat(129)}`, /nested deeper than 128/],
  ['many values', `[${'0,'.repeat(1_000_000)}0]`, /more than 1000000 values/],
  ['a long text', `"${'a'.repeat(33 << 20)}"`, /34603010 characters/],
  ['a text that does not end', '{"a":"\\', /^Expected JSON in x.json but found /],
])('%s: one error of the reader, with the name of the file', (_, text, message) => {
  const start = performance.now();
  expect(() => parse(text)).toThrow(expect.objectContaining({ tag: 'run', fix: 'Fix.' }));
  expect(() => parse(text)).toThrow(message);
  expect(performance.now() - start).toBeLessThan(2000);
});

test('a line of JSON shows characters that a terminal would obey, and reads back the same', () => {
  const value = { name: 'a\u009b2J\u202egpj.exe\u2028\u007f\u{e0041}é' };
  expect(printableJson(value)).toBe(
    '{"name":"a\\u009b2J\\u202egpj.exe\\u2028\\u007f\\udb40\\udc41é"}',
  );
  expect(JSON.parse(printableJson(value))).toEqual(value);
});

test('a value is shown in one short line', () => {
  expect(show('x'.repeat(5000))).toHaveLength(81);
  expect(show(undefined)).toBe('nothing');
});
