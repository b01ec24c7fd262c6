import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { benchListing } from '../../../test/s3/list-many-keys.mjs';
import { startDelayProxy } from '../lib/delay-proxy.mjs';
import { spread, timedProcess } from '../lib/measure.mjs';
import { startFilledBucket } from '../peers/filled-bucket.mjs';

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));
const DELAY_MS = 100;
/** src/s3/request-limit.ts */
const IN_FLIGHT = 64;
const KEYS = 1_000_000;

/**
 * Pixels from a local S3 server, near and behind a proxy that delays each answer; a listing of a million keys behind the same
 * delay.
 * @param {{ repeat: number, scratch: string, many: number[] }} options many: the first of them is the number of objects
 */
export async function* s3({ repeat, scratch, many: [count] }) {
  const row = (what, unit, figures) => ({ stage: 's3', what, unit, ...spread(figures) });
  const times = Math.min(repeat, 3);
  const bucket = await startFilledBucket(count);
  const proxy = await startDelayProxy(Number(new URL(bucket.endpoint).port), DELAY_MS);
  try {
    const near = await runs(bucket.endpoint);
    yield row(
      `${count} objects: whole process`,
      's',
      near.map(({ seconds }) => seconds),
    );
    const far = await runs(proxy.endpoint);
    const name = `${count} objects behind ${DELAY_MS} ms`;
    yield row(
      `${name}: whole process`,
      's',
      far.map(({ seconds }) => seconds),
    );
    const allowed = (IN_FLIGHT * 1000) / DELAY_MS;
    const shares = far.map(({ stagesMs }) => (100 * count * 1000) / stagesMs.extract / allowed);
    yield row(`${name}: of what ${IN_FLIGHT} requests in flight allow`, '%', shares);
  } finally {
    await proxy.stop();
    await bucket.stop();
  }
  const listings = [];
  for (let i = 0; i < times; i++) listings.push(await benchListing(KEYS, { delayMs: DELAY_MS }));
  const listing = `listing of ${KEYS} keys behind ${DELAY_MS} ms`;
  yield row(
    listing,
    's',
    listings.map(({ seconds }) => seconds),
  );
  yield row(
    `${listing}: requests`,
    '',
    listings.map(({ requests }) => requests),
  );

  async function runs(endpoint) {
    const out = join(scratch, 'out-s3');
    const args = ['s3://bench/dataset', '--mode', 'pixels', '--s3-endpoint', endpoint];
    const command = [CLI, ...args, '--no-report', '--out', out, '--overwrite', '--quiet'];
    const found = [];
    for (let i = 0; i < times; i++) {
      const { seconds } = await timedProcess(process.execPath, command, bucket.env);
      const { counts, stagesMs } = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'));
      if (counts.extracted !== count)
        throw new Error(`Expected ${count} rows but found ${counts.extracted}.`);
      found.push({ seconds, stagesMs });
    }
    return found;
  }
}
