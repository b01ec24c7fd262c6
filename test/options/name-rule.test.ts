import { expect, test } from 'vitest';
import { NameRule } from '../../src/options/name-rule.ts';

test.each([
  ['*_mask.png', 'a/1_mask.png', true],
  ['*_mask.png', 'a_mask.png/1.png', false],
  ['?.png', 'a/1.png', true],
  ['?.png', 'a/12.png', false],
  ['a/*.png', 'a/1.png', true],
  ['a/*.png', 'b/a/1.png', false],
  ['a/*.png', 'a/b/1.png', false],
  ['/a.png', 'a.png', true],
  ['**/raw/*.png', 'x/y/raw/1.png', true],
  ['**/raw/*.png', 'raw/1.png', true],
  ['raw/**', 'raw/a/b.png', true],
  ['(1).png', 'a/(1).png', true],
  ['a+[b]{c}^$|.png', 'a+[b]{c}^$|.png', true],
  ['x', 'a/1.png', false],
])('the pattern %s skips %s: %s', (pattern, path, isSkipped) => {
  const why = new NameRule(undefined, [pattern]).whyNotFile(path);
  expect(why).toBe(isSkipped ? `name ${pattern}` : undefined);
});

test('the last pattern that matches decides', () => {
  const names = new NameRule(undefined, ['!.*', '.git', '*.png', '!keep.png']);
  expect(names.whyNotFolder('.NET')).toBeUndefined();
  expect(names.whyNotFolder('a/.git')).toBe('folder .git');
  expect(names.whyNotFile('a.png')).toBe('name *.png');
  expect(names.whyNotFile('keep.png')).toBeUndefined();
});

test('. and .. are names of a store like others', () => {
  expect(new NameRule().whyNotFolder('a/..')).toBeUndefined();
});
