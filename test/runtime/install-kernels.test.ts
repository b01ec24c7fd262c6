import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { findCompiler } from '../../src/runtime/install/compile-addon.ts';
import { installKernels } from '../../src/runtime/install/install-kernels.ts';
import {
  findKernels,
  kernelSources,
  kernelsDir,
  type NativeKernels,
} from '../../src/runtime/kernels.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { fakeBin, fakeCompiler } from './fake-tools.ts';

const compiler = await findCompiler().catch(() => undefined);
let folder: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  vi.stubEnv('IMG2FEATURES_CACHE', join(folder, 'cache'));
});
afterEach(() => vi.unstubAllEnvs());

/** Makes the compiler that is found a script. */
async function compileBy(script: string): Promise<void> {
  const bin = await fakeBin(folder, { compiler: fakeCompiler(script) });
  vi.stubEnv('CXX', join(bin, 'compiler'));
}

describe.skipIf(kernelSources() === undefined)('the kernels of the PCA', () => {
  test('are built once, under the name of their sources', async () => {
    await compileBy(`echo addon > "$output"`);
    const steps: string[] = [];
    expect(
      await installKernels({ onStep: ({ name, state }) => steps.push(`${name} ${state}`) }),
    ).toBe(undefined);
    expect(steps).toEqual(['compile start', 'compile done']);
    expect(await readdir(kernelsDir())).toEqual([
      `img2features_kernels-${kernelSources()!.hash}.node`,
    ]);
    await compileBy('exit 1');
    expect(await installKernels({})).toBe(undefined);
    expect(await installKernels({ force: true })).toMatch('to compile the kernels');
  });

  test('a compiler that fails is told and leaves nothing', async () => {
    await compileBy(`echo half > "$output"; echo "error: no such thing" >&2; exit 1`);
    expect(await installKernels({})).toBe(
      'Expected fake c++ 1.0 to compile the kernels but found: error: no such thing',
    );
    expect(await readdir(kernelsDir())).toEqual([]);
    expect(findKernels()).toBe(undefined);
  });

  test('no compiler is told, too', async () => {
    vi.stubEnv('CXX', join(folder, 'none'));
    expect(await installKernels({})).toMatch('Expected a C++ compiler in CXX');
  });

  test.skipIf(compiler === undefined)('load where a compiler made them', async () => {
    expect(await installKernels({})).toBe(undefined);
    const { isSupported } = createRequire(import.meta.url)(findKernels()!) as NativeKernels;
    expect(typeof isSupported).toBe('boolean');
  });
});
