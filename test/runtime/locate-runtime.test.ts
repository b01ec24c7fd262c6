/** A tfjs-node-gpu in node_modules: a stand-in of a few lines, tried in a process of its own. */
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type * as Found from '../../src/runtime/locate-runtime.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const WORKING = `
const values = [4, 6, 6, 4, 6, 9, 9, 6, 6, 9, 9, 6, 4, 6, 6, 4].map((n) => n * 8);
module.exports = {
  ready: async () => {},
  version: { 'tfjs-node': '4.22.0' },
  backend: () => ({ isUsingGpuDevice: true, binding: { TF_Version: '2.9.1' } }),
  tidy: (run) => run(),
  ones: () => undefined,
  conv2d: () => ({ dataSync: () => values }),
};`;

/** Built: the trial's child process starts from JavaScript. */
const { findGpuPackage, resolveGpuPackage }: typeof Found = await import(
  new URL('../../dist/runtime/locate-runtime.js', import.meta.url).href
);

async function project(index: string, withAddon = true): Promise<string> {
  const folder = await realpath(await temporaryFolder());
  const dir = join(folder, 'node_modules/@tensorflow/tfjs-node-gpu');
  await mkdir(join(dir, 'lib/napi-v8'), { recursive: true });
  const manifest = { name: '@tensorflow/tfjs-node-gpu', version: '4.22.0', main: 'index.js' };
  await writeFile(join(dir, 'package.json'), JSON.stringify(manifest));
  await writeFile(join(dir, 'index.js'), index);
  if (withAddon) await writeFile(join(dir, 'lib/napi-v8/tfjs_binding.node'), '');
  return folder;
}

test('one that works is taken as it is, with the version it states', async () => {
  const folder = await project(WORKING);
  const dir = join(folder, 'node_modules/@tensorflow/tfjs-node-gpu');
  expect(await findGpuPackage(folder)).toEqual({
    kind: 'gpu',
    dir,
    packageDir: dir,
    bindingPath: join(dir, 'lib/napi-v8/tfjs_binding.node'),
    tensorflow: '2.9.1',
  });
});

test('one that does not load is left alone', async () => {
  const folder = await project("throw new Error('libcudart.so.11.0: cannot open');");
  expect(await findGpuPackage(folder)).toBeUndefined();
});

test('one that computes wrong numbers is left alone', async () => {
  const folder = await project(WORKING.replace('n * 8', 'n * 7'));
  expect(await findGpuPackage(folder)).toBeUndefined();
});

test('one that sees no GPU is left alone', async () => {
  const folder = await project(
    WORKING.replace('isUsingGpuDevice: true', 'isUsingGpuDevice: false'),
  );
  expect(await findGpuPackage(folder)).toBeUndefined();
});

test('one whose addon was never built is not even tried', async () => {
  const folder = await project(WORKING, false);
  expect(resolveGpuPackage([`file://${folder}/x.js`])).toBeUndefined();
});

test('a project without it has none', async () => {
  expect(await findGpuPackage(await temporaryFolder())).toBeUndefined();
});
