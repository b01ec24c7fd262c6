import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
// Threads and processes start from the build.
import * as built from '../dist/index.js';
import type { RunEvent } from '../src/events.ts';
import type * as api from '../src/index.ts';
import { solidPng } from './dry-run/solid-png.ts';
import { writeTinyModel } from './engine/tiny-model.ts';
import { temporaryFolder } from './temporary-folder.ts';

const { extract, extractBatches, resolveOptions } = built as unknown as typeof api;

/** Images of one colour each, and a model that takes them. */
async function inputs(count: number) {
  const dir = await temporaryFolder();
  mkdirSync(join(dir, 'images'));
  for (let i = 0; i < count; i++) {
    writeFileSync(join(dir, 'images', `${i}.png`), solidPng(4, 4, [i, 2 * i, 90]));
  }
  const model = (await writeTinyModel()).dir;
  const options = { input: join(dir, 'images'), mode: 'cnn', model, k: 0, report: false } as const;
  return {
    dir,
    options: { ...options, device: 'wasm' as const, workers: 1, out: join(dir, 'out') },
  };
}

/** The events of a run, and its error where it fails. */
async function run(options: Record<string, unknown>) {
  const events: RunEvent[] = [];
  const summary = await extract(resolveOptions(options), {
    onEvent: (event) => events.push(event),
  }).catch((error: Error) => error);
  return { events, names: events.map(({ event }) => event), summary };
}

test('a finished run is found complete, or up to date, without starting the network', async () => {
  const { dir, options } = await inputs(5);
  const first = await run(options);
  expect(first.names).toContain('engine');
  expect(first.summary).toMatchObject({ extracted: 5, wasComplete: false });

  const again = await run(options);
  expect(again.summary).toMatchObject({ extracted: 5, wasComplete: true });
  expect(again.names).not.toContain('engine');

  const unchanged = await run({ ...options, update: true });
  expect(unchanged.summary).toMatchObject({ wasComplete: true, update: { unchanged: 5 } });
  expect(unchanged.names).not.toContain('engine');

  writeFileSync(join(dir, 'images', 'new.png'), solidPng(4, 4, [1, 2, 3]));
  const updated = await run({ ...options, update: true });
  expect(updated.summary).toMatchObject({ extracted: 6, update: { unchanged: 5, added: 1 } });
  expect(updated.names).toContain('engine');
});

test('a run of another layer or batch is refused before anything is listed or started', async () => {
  const { options } = await inputs(2);
  await run(options);
  for (const [other, difference] of [
    [{ layer: 'flat' }, 'layers was ["sum:none"] and is now ["flat:none"]'],
    [{ batch: 7 }, 'batch was 4 and is now 7'],
  ] as const) {
    const refused = await run({ ...options, ...other });
    expect(refused.summary).toMatchObject({ message: expect.stringContaining(difference) });
    expect(refused.names).not.toContain('engine');
    expect(refused.names).not.toContain('listed');
  }
});

test.each([
  ['a missing model', { model: 'nowhere' }, 'Expected a model in'],
  ['a layer that the model lacks', { layer: 'fc9' }, 'for --layer but found "fc9"'],
  ['a layer that cannot be pooled', { layer: 'flat:avg' }, 'Expected --pool none'],
  ['a column that the run lacks', { columns: 'origin,vectors' }, 'for --columns but found'],
  ['a GPU that is not there', { device: 'cuda' }, 'for --device cuda but found'],
  ['an engine that the device lacks', { engine: 'graph' }, 'for --engine graph but found'],
  ['a precision that the device lacks', { precision: 'fp16' }, 'for --precision on wasm'],
  ['a run for --with that is none', { k: 2, with: 'nowhere' }, 'for --with but found nothing'],
])('%s is told before the images are listed', async (_what, wrong, message) => {
  vi.stubEnv('CUDA_VISIBLE_DEVICES', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const { options } = await inputs(2);
  const { names, summary } = await run({ ...options, ...wrong });
  expect(summary).toMatchObject({ message: expect.stringContaining(message) });
  expect(names).not.toContain('listed');
});

test('while the network starts, and between batches, events tell what is done', async () => {
  const { options } = await inputs(40);
  const { events, names } = await run({ ...options, batch: 40, report: true });
  expect(events[names.indexOf('stage')]).toMatchObject({ stage: 'list', detail: options.input });
  const waiting = { event: 'stage', stage: 'engine', detail: `wasm (${options.model})` };
  expect(events.findIndex((event) => event.event === 'engine')).toBeGreaterThan(
    events.findIndex((event) => 'stage' in event && event.stage === waiting.stage),
  );
  expect(events).toContainEqual(waiting);
  expect(events).toContainEqual({ event: 'stage', stage: 'report' });
  const progress = events.filter((event) => event.event === 'progress');
  expect(progress.length).toBeGreaterThan(1); // one batch
  expect(progress[0]).toMatchObject({ done: 0, decoded: expect.any(Number), secondsLeft: null });
  expect(progress.at(-1)).toMatchObject({ done: 40, decoded: 40, total: 40 });
});

test('an update tells the rate of what it computed, not of what it kept', async () => {
  const { dir, options } = await inputs(3);
  const first = await run(options);
  expect(first.summary).toMatchObject({ extracted: 3, computed: 3 });
  writeFileSync(join(dir, 'images', 'new.png'), solidPng(4, 4, [1, 2, 3]));
  const updated = await run({ ...options, update: true });
  expect(updated.summary).toMatchObject({ extracted: 4, computed: 1 });
  const { pipelineImagesPerSecond, extractMs } = (updated.summary as api.RunSummary).timing;
  expect(pipelineImagesPerSecond).toBeCloseTo(1000 / extractMs, 1);
  expect((await run(options)).summary).toMatchObject({ extracted: 4, computed: 0 });
});

test('an interrupted run tells how many images are stored', async () => {
  const { options } = await inputs(20);
  const stop = new AbortController();
  const events: RunEvent[] = [];
  const stopped = extract(resolveOptions({ ...options, batch: 4 }), {
    signal: stop.signal,
    onEvent: (event) => {
      events.push(event);
      if (event.event === 'progress' && event.done > 0) stop.abort(new Error('enough'));
    },
  });
  await expect(stopped).rejects.toThrow();
  expect(events.at(-1)).toEqual({
    event: 'note',
    message: 'Stored: 0 of 20 images, in blocks of up to 20; the others are left to compute.',
  });
});

test('a stream of batches tells a wrong layer before the images are listed, too', async () => {
  const { options } = await inputs(2);
  const { report: _, k: _k, out: _out, ...features } = options;
  const events: string[] = [];
  const batches = extractBatches(
    { ...features, layer: 'fc9' },
    { onEvent: ({ event }) => events.push(event) },
  );
  await expect(batches.next()).rejects.toThrow('for --layer but found "fc9"');
  expect(events).not.toContain('listed');
});
