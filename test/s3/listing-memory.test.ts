import { expect, test } from 'vitest';
import { loadScript } from '../scripts/load-script.ts';

const { benchListing } = await loadScript('../test/s3/list-many-keys.mjs');

/** A million keys may cost 400 MB: what does not grow (the SDK, two pages) and 0.3 kB a key. */
const FIXED_MB = 100;
const MB_PER_KEY = 300 / 1_000_000;

test('memory grows by less than 0.3 kB for each key listed', async () => {
  const keys = 60_000;
  const { images, megabytes } = await benchListing(keys);
  expect(images).toBe(keys);
  expect(megabytes).toBeLessThan(FIXED_MB + keys * MB_PER_KEY);
});
