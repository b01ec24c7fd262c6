import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { oncePerProcess } from '../../../src/image/formats/decode-with-sharp.ts';

const gate = () => new Int32Array(new SharedArrayBuffer(4));

test('the work runs once', () => {
  const shared = gate();
  let runs = 0;
  for (let i = 0; i < 3; i++) oncePerProcess(() => runs++, shared);
  expect(runs).toBe(1);
});

test('work that fails is tried again by the next who comes', () => {
  const shared = gate();
  const fail = () => {
    throw new Error('no');
  };
  expect(() => oncePerProcess(fail, shared)).toThrow('no');
  let runs = 0;
  oncePerProcess(() => runs++, shared);
  expect(runs).toBe(1);
});

test('threads wait for the one that works, and it runs once for all of them', async () => {
  const module = new URL('../../../dist/image/formats/decode-with-sharp.js', import.meta.url).href;
  const processGate = gate();
  // [runs, threads that came through before the work was done]
  const counts = new Int32Array(new SharedArrayBuffer(8));
  const source = `
    import { workerData } from 'node:worker_threads';
    const { oncePerProcess } = await import(${JSON.stringify(module)});
    const { counts } = workerData;
    let mine = false;
    oncePerProcess(() => {
      const until = Date.now() + 200;
      while (Date.now() < until);
      Atomics.add(counts, 0, 1);
      mine = true;
    });
    if (Atomics.load(counts, 0) !== 1) Atomics.add(counts, 1, 1);
  `;
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  const threads = Array.from(
    { length: 4 },
    () => new Worker(url, { workerData: { processGate, counts } }),
  );
  await Promise.all(threads.map((thread) => new Promise((done) => thread.on('exit', done))));
  expect([...counts]).toEqual([1, 0]);
});
