import { readFile } from 'node:fs/promises';
import { expect, expectTypeOf, test } from 'vitest';
import type {
  FEATURE_KEYS,
  FeatureOptions,
  ModelOptions,
} from '../../src/library/feature-options.ts';
import { MODEL_KEYS } from '../../src/options/option-keys.ts';

test('the types and the page of the library name the options that it takes, all of them and no others', async () => {
  expectTypeOf<keyof ModelOptions>().toEqualTypeOf<(typeof MODEL_KEYS)[number]>();
  expectTypeOf<keyof FeatureOptions>().toEqualTypeOf<(typeof FEATURE_KEYS)[number]>();
  const page = await readFile(new URL('../../docs/library.md', import.meta.url), 'utf8');
  const [, listed = ''] = /options are those of the command:\n(.*)\. In$/m.exec(page) ?? [];
  expect(listed.split(', ').sort()).toEqual(MODEL_KEYS.map((key) => `\`${key}\``).sort());
});
