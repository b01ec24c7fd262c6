import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { ChildOutput } from '../../src/engine/child-output.ts';

async function listen(...chunks: (string | Uint8Array)[]) {
  const lines: string[] = [];
  const output = new ChildOutput((line) => lines.push(line));
  const stream = new PassThrough();
  output.listen(stream);
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  await finished(stream);
  return { lines, last: output.lastLines(), cause: output.gpuCause() };
}

test('lines are put together from chunks, the last one without its end', async () => {
  const { lines, last } = await listen('one\ntw', 'o\r\nthr', 'ee');
  expect(lines).toEqual(['one', 'two', 'three']);
  expect(last).toEqual(['one', 'two', 'three']);
});

test("the libraries' greetings are dropped, warnings are not", async () => {
  const { lines } = await listen(
    'WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n',
    'I0000 00:00:1795391447.5 25682 port.cc:153] oneDNN custom operations are on. You may see\n',
    '============================\nHi, looks like you are running TensorFlow.js in Node.js.\n\n',
    'W0000 gpu_device.cc:2433] TensorFlow was not built with CUDA kernels for this GPU\n',
  );
  expect(lines).toEqual([
    'W0000 gpu_device.cc:2433] TensorFlow was not built with CUDA kernels for this GPU',
  ]);
});

test('INFO lines are not told, but keep why no GPU is used', async () => {
  const { lines, cause } = await listen(
    "I0000 00:00:1 2 dso_loader.cc:144] Could not load dynamic library 'libcudnn.so.9'; dlerror: libcudnn.so.9: no such file; LD_LIBRARY_PATH: \n",
    '2024-05-01 10:00:00.123: I tensorflow/core/x.cc:1] as 2.16 writes it\n',
    '2024-05-01 10:00:00.123: W tensorflow/core/x.cc:1] a warning of 2.16\n',
  );
  expect(lines).toEqual(['2024-05-01 10:00:00.123: W tensorflow/core/x.cc:1] a warning of 2.16']);
  expect(cause?.found).toBe('libcudnn.so.9 could not be opened (no such file)');
});

test('what cuInit said is not told line by line, but is the cause', async () => {
  const { lines, cause } = await listen(
    'E0000 00:00:1 2 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: CUDA_ERROR_NO_DEVICE\n',
  );
  expect(lines).toEqual([]);
  expect(cause?.found).toBe('CUDA did not start: Failed call to cuInit: CUDA_ERROR_NO_DEVICE');
});

test('only the last 20 lines are kept', async () => {
  const { lines, last } = await listen(Array.from({ length: 50 }, (_, i) => `${i}\n`).join(''));
  expect(lines).toHaveLength(50);
  expect(last).toEqual(Array.from({ length: 20 }, (_, i) => `${i + 30}`));
});

test('bytes that are no text, and a line without end, are harmless', async () => {
  const noise = Uint8Array.from({ length: 100_000 }, (_, i) => 128 + ((i * 7) % 128));
  const { lines } = await listen(noise, '\nafter\n');
  expect(lines).toHaveLength(2);
  expect(lines[0].length).toBeLessThanOrEqual(2000);
  expect(lines[1]).toBe('after');
});
