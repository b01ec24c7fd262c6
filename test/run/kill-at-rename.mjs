// A small run on the built code, in a process that kills itself at its n-th rename or fsync.
// node kill-at-rename.mjs <dist> <out> <n, 0 = never> <before|after>
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';

const [dist, out, n, moment] = process.argv.slice(2);
let left = Number(n);
const { rename } = fs;
fs.rename = async (...args) => {
  left -= 1;
  if (left === 0 && moment === 'before') process.kill(process.pid, 'SIGKILL');
  await rename(...args);
  if (left === 0) process.kill(process.pid, 'SIGKILL');
};
syncBuiltinESMExports();

const load = (name) => import(join(dist, name));
const { ManifestBuilder } = await load('run/manifest.js');
const { planShards } = await load('run/plan-shards.js');
const { RunStore, WORK_FOLDER } = await load('run/run-store.js');
const { buildRunJson, publishRun } = await load('run/run-json.js');
const { writeRejections } = await load('run/rejections.js');
const { clearOutput } = await load('pipeline/prepare-output.js');
const { FolderStore } = await load('storage/folder-store.js');

const builder = new ManifestBuilder();
for (let i = 0; i < 100; i++) {
  const origin = `in/${String(i).padStart(3, '0')}.jpg`;
  builder.add({
    kind: 'image',
    entry: { origin, target: 'x', location: origin, size: 1, version: '1' },
  });
}
const manifest = builder.freeze();
const plan = planShards({ count: manifest.count, rowBytes: 8, maxShardRows: 64 });
const options = { identity: { mode: 'test' }, manifest, plan, lengths: [2], overwrite: false };
const run = await RunStore.open(join(out, WORK_FOLDER), options);
if (run.state !== 'finished') await finishRun();
await run.close();

async function finishRun() {
  const store = await FolderStore.open(out);
  for (const { id, start, end } of plan.shards) {
    if (run.isCommitted(id)) continue;
    const indices = Array.from({ length: end - start - 1 }, (_, i) => start + i);
    const rejections = [{ index: end - 1, reason: 'corrupt', message: 'Expected an image.' }];
    const values = Float32Array.from(indices.flatMap((index) => [index, index / 8]));
    await run.writeShard(id, { indices, outputs: [values], rejections });
  }
  await clearOutput(store);
  const file = await store.create('json/part-00000.json');
  const rejected = [];
  let extracted = 0;
  for (const { id } of plan.shards) {
    const { indices, outputs } = await run.readShard(id);
    for (let row = 0; row < indices.length; row++, extracted++) {
      const { origin, target } = manifest.entry(indices[row]);
      const vectors = [...outputs[0].subarray(row * 2, row * 2 + 2)];
      await file.write(Buffer.from(`${JSON.stringify({ origin, target, vectors })}\n`));
    }
    for (const { index, reason, message } of run.shardRecord(id).rejections) {
      rejected.push({ origin: manifest.entry(index).origin, reason, message });
    }
  }
  const files = [await file.commit(), await writeRejections(store, rejected)];
  const now = new Date();
  const counts = { discovered: manifest.count, extracted, skipped: {} };
  const options = { mode: 'pixels', k: 0 };
  const model = { layers: [{ layer: 'pixels', pool: 'none', length: 2 }] };
  const facts = { command: 'test', version: '0', options, model, fingerprint: '', counts, files };
  const more = { rejections: rejected, stages: {}, startedAt: now, finishedAt: now, libraries: {} };
  await publishRun(store, buildRunJson({ ...facts, ...more }));
  await run.finish();
}
