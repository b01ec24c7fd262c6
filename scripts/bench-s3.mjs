/**
 * `node scripts/bench-s3.mjs [images]`: a whole run in pixels mode from a local S3 server (list, fetch, decode,
 * reduce, write) against boto3 with 16 threads that only fetches the same objects. Needs a build, and boto3 in python3.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startS3Server } from '../test/s3/s3-server.mjs';
import { CLASSES, drawImage } from './draw-images.mjs';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const COUNT = Number(process.argv[2] ?? 10_000);
const ROUNDS = 2;
/** Different pictures; each is stored under many keys. */
const PICTURES = 120;

const FETCH = `
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
import boto3, botocore.config
start = time.perf_counter()
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1',
                  config=botocore.config.Config(max_pool_connections=16, s3={'addressing_style': 'path'}))
keys = [o['Key'] for page in s3.get_paginator('list_objects_v2').paginate(Bucket='bench') for o in page['Contents']]
listed = time.perf_counter()
def fetch(key):
    return len(s3.get_object(Bucket='bench', Key=key)['Body'].read())
with ThreadPoolExecutor(16) as pool:
    total = sum(pool.map(fetch, keys))
end = time.perf_counter()
print(f'{len(keys)} {total} {listed - start:.2f} {end - listed:.2f}')
`;

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
const server = await startS3Server();
if (server === undefined)
  throw new Error('Expected a local S3 server but neither Go nor Python gave one.');
const dir = mkdtempSync(join(tmpdir(), 'img2features-bench-s3-'));
const env = {
  ...process.env,
  AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
  AWS_EC2_METADATA_DISABLED: 'true',
};
try {
  await fillBucket();
  console.log(
    `${COUNT} JPEGs of 100x100, ${server.kind} on this machine (${cpus().length} × ${cpus()[0]?.model}), node ${process.version}`,
  );
  for (let round = 1; round <= ROUNDS; round++) {
    console.log(`round ${round}`);
    runBoto3();
    runOurs(round);
  }
} finally {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
}

async function fillBucket() {
  const { S3Client, CreateBucketCommand, PutObjectCommand } = await import('@aws-sdk/client-s3');
  const { endpoint, credentials } = /** @type {NonNullable<typeof server>} */ (server);
  const s3 = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: 'bench' }));
  const sharp = (await import('sharp')).default;
  const bodies = [];
  for (let i = 0; i < PICTURES; i++) {
    const shape = CLASSES[i % CLASSES.length];
    const { data, width, height } = drawImage(shape, { seed: i, minSize: 100, maxSize: 100 });
    const raw = { width, height, channels: /** @type {const} */ (3) };
    bodies.push(await sharp(Buffer.from(data), { raw }).jpeg({ quality: 95 }).toBuffer());
  }
  for (let i = 0; i < COUNT; i += 32) {
    const batch = Array.from({ length: Math.min(32, COUNT - i) }, (_, j) => i + j);
    await Promise.all(
      batch.map((n) =>
        s3.send(
          new PutObjectCommand({
            Bucket: 'bench',
            Key: `dataset/${CLASSES[n % CLASSES.length]}/${String(n).padStart(6, '0')}.jpg`,
            Body: bodies[n % PICTURES],
          }),
        ),
      ),
    );
  }
  s3.destroy();
}

function runBoto3() {
  const endpoint = /** @type {NonNullable<typeof server>} */ (server).endpoint;
  const start = performance.now();
  const { stdout, status, stderr } = spawnSync('python3', ['-c', FETCH, endpoint], { env });
  if (status !== 0) throw new Error(`boto3 failed: ${stderr}`);
  const [keys, bytes, listed, fetched] = String(stdout).trim().split(' ');
  const wall = ((performance.now() - start) / 1000).toFixed(2);
  console.log(
    `  boto3, 16 threads, fetch alone: ${fetched} s (+ list ${listed} s; whole process ${wall} s), ${keys} objects, ${bytes} bytes, ${(Number(keys) / Number(fetched)).toFixed(0)} objects/s`,
  );
}

/** @param {number} round */
function runOurs(round) {
  const endpoint = /** @type {NonNullable<typeof server>} */ (server).endpoint;
  const out = join(dir, `out-${round}`);
  const args = ['s3://bench/dataset', '--mode', 'pixels', '--out', out, '--s3-endpoint', endpoint];
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [CLI, ...args, '--quiet'], { env });
  const wall = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`img2features failed: ${stderr}`);
  const { counts, stagesMs } = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'));
  if (counts.extracted !== COUNT)
    throw new Error(`Expected ${COUNT} rows but found ${counts.extracted}.`);
  const seconds = (/** @type {number} */ ms) => (ms / 1000).toFixed(2);
  console.log(
    `  img2features, whole process: ${wall.toFixed(2)} s (list ${seconds(stagesMs.list)}, fetch + decode ${seconds(stagesMs.extract)}, reduce ${seconds(stagesMs.reduce)}, export ${seconds(stagesMs.export)}), ${(COUNT / (stagesMs.extract / 1000)).toFixed(0)} images/s`,
  );
}
