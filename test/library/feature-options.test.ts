import { expectTypeOf, test } from 'vitest';
import type {
  FEATURE_KEYS,
  FeatureOptions,
  ModelOptions,
} from '../../src/library/feature-options.ts';
import type { MODEL_KEYS } from '../../src/options/option-keys.ts';

test('the types of the library name the options that it takes, all of them and no others', () => {
  expectTypeOf<keyof ModelOptions>().toEqualTypeOf<(typeof MODEL_KEYS)[number]>();
  expectTypeOf<keyof FeatureOptions>().toEqualTypeOf<(typeof FEATURE_KEYS)[number]>();
});
