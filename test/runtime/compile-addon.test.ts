import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { NativeKernels } from '../../src/reduce/kernels.ts';
import {
  ADDON_NAMES,
  addonSources,
  addonsDir,
  findAddon,
  lacksAddons,
  loadAddon,
} from '../../src/runtime/addons.ts';
import { findCompiler, installAddons } from '../../src/runtime/install/compile-addon.ts';
import type { OnStep } from '../../src/runtime/install/setup-step.ts';
import { skipIf } from '../skip-if.ts';
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

describe(
  'our own addons',
  skipIf(addonSources('kernels') === undefined, 'the addons are not for this processor'),
  () => {
    test('are built once, under the names of their sources', async () => {
      await compileBy(`echo addon > "$output"`);
      const steps: string[] = [];
      const onStep: OnStep = ({ name, state }) => void steps.push(`${name} ${state}`);
      expect(lacksAddons()).toBe(true);
      expect(await installAddons({ onStep })).toEqual([]);
      expect(steps).toEqual(ADDON_NAMES.flatMap(() => ['compile start', 'compile done']));
      expect(await readdir(addonsDir())).toEqual([
        `img2features_jpeg-${addonSources('jpeg')!.hash}.node`,
        `img2features_kernels-${addonSources('kernels')!.hash}.node`,
        `img2features_memory-${addonSources('memory')!.hash}.node`,
      ]);
      expect(lacksAddons()).toBe(false);
      await compileBy('exit 1');
      expect(await installAddons({})).toEqual([]);
      expect(await installAddons({ force: true })).toHaveLength(ADDON_NAMES.length);
    });

    test('a compiler that fails is told and leaves nothing', async () => {
      await compileBy(`echo half > "$output"; echo "error: no such thing" >&2; exit 1`);
      const [kernels, jpeg, memory] = await installAddons({});
      expect(kernels).toBe(
        'WebAssembly runs, slower, in place of the kernels of the PCA: ' +
          'Expected fake c++ 1.0 to compile the kernels of the PCA but found: error: no such thing',
      );
      expect(jpeg).toMatch('in place of the JPEG decoder');
      expect(memory).toMatch(/^A file is used, slower, in place of the memory/);
      expect(await readdir(addonsDir())).toEqual([]);
      expect(ADDON_NAMES.map(findAddon)).toEqual(ADDON_NAMES.map(() => undefined));
    });

    test('no compiler is told, too', async () => {
      vi.stubEnv('CXX', join(folder, 'none'));
      expect(await installAddons({})).toEqual(
        ADDON_NAMES.map(() => expect.stringContaining('Expected a C++ compiler in CXX')),
      );
    });

    test(
      'load where a compiler made them',
      skipIf(compiler === undefined, 'no C++ compiler'),
      async () => {
        expect(await installAddons({})).toEqual([]);
        const require = createRequire(import.meta.url);
        const { isSupported } = require(findAddon('kernels')!) as NativeKernels;
        expect(typeof isSupported).toBe('boolean');
        expect(Object.keys(require(findAddon('jpeg')!))).toContain('decode');
        expect(Object.keys(require(findAddon('memory')!))).toEqual(['create', 'map']);
      },
    );

    test('one that does not load, or lacks something, says why', async () => {
      await compileBy(`echo addon > "$output"`);
      const check = () => 'it is Tuesday';
      expect(loadAddon('jpeg', check)).toEqual({
        why: '`img2features setup` has not built it here',
      });
      await installAddons({});
      expect(loadAddon('jpeg', check).why).toMatch(/file too short|invalid ELF header/);
    });
  },
);
