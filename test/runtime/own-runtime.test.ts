import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { RuntimeError } from '../../src/errors.ts';
import { installRuntime } from '../../src/runtime/install/install-runtime.ts';
import { findOwnRuntime } from '../../src/runtime/own-runtime.ts';
import { runtimePlatform } from '../../src/runtime/runtime-platform.ts';
import { skipIf } from '../skip-if.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { fakeBin, fakeCompiler } from './fake-tools.ts';

const WHY = 'the names of the libraries are those of Linux';
const linux = skipIf(runtimePlatform().key?.startsWith('linux') !== true, WHY);

let site: string;
let folder: string;

/** A pip-installed package, with one of NVIDIA's beside it. */
beforeEach(async () => {
  folder = await realpath(await temporaryFolder());
  site = join(folder, 'site-packages');
  await mkdir(join(site, 'tensorflow/include/tensorflow/c'), { recursive: true });
  await mkdir(join(site, 'nvidia/cudnn/lib'), { recursive: true });
  await writeFile(join(site, 'tensorflow/libtensorflow_cc.so.2'), 'the library');
  await writeFile(join(site, 'tensorflow/libtensorflow_framework.so.2'), 'with cuInit');
  await writeFile(join(site, 'tensorflow/include/tensorflow/c/c_api.h'), '// header');
  const script = `echo "$@" >> ${folder}/calls\n${fakeCompiler('echo addon > "$output"')}`;
  const bin = await fakeBin(folder, { mine: script });
  vi.stubEnv('CXX', join(bin, 'mine'));
  vi.stubEnv('IMG2FEATURES_CACHE', join(folder, 'cache'));
  vi.stubEnv('IMG2FEATURES_TENSORFLOW', site);
  onTestFinished(() => void vi.unstubAllEnvs());
});

/** `setup`, with a trial run that finds that version. */
const setup = (tensorflow: string) =>
  installRuntime({
    gpu: false,
    prove: async () => ({
      tensorflow,
      tfjsNode: '4.22.0',
      device: 'cpu',
      oneDnn: true,
      gpuCause: undefined,
      unopened: [],
      cpuInstructions: undefined,
      loadMs: 1,
      convMs: 1,
    }),
  });

const message = async () => {
  const found = await findOwnRuntime();
  expect(found).toBeInstanceOf(RuntimeError);
  return `${(found as RuntimeError).message} ${(found as RuntimeError).fix}`;
};

test('without the variable there is none', async () => {
  expect(await findOwnRuntime({})).toBeUndefined();
});

test('setup compiles our addons for it, and leaves it as it is', linux, async () => {
  expect(await message()).toBe(
    `Expected our addons for the TensorFlow in ${site}/tensorflow but found none. Run \`img2features setup\` with IMG2FEATURES_TENSORFLOW set as now.`,
  );
  await setup('2.16.1');
  expect(await findOwnRuntime()).toMatchObject({
    kind: 'gpu',
    tensorflow: '2.16.1',
    libraryDirs: [join(site, 'nvidia/cudnn/lib')],
  });
  const calls = await readFile(join(folder, 'calls'), 'utf8');
  expect(calls).toContain(`-Wl,-rpath,${site}/tensorflow`);
  expect(calls).toContain(`-I${site}/tensorflow/include`);
  expect(existsSync(join(site, 'tensorflow/include/tensorflow/c/c_api.h'))).toBe(true);
  expect((await setup('2.16.1')).probe).toBeUndefined();
});

test('once the library is another one, setup has to run again', linux, async () => {
  await setup('2.21.0');
  await writeFile(join(site, 'tensorflow/libtensorflow_cc.so.2'), 'another library');
  expect(await message()).toMatch(/but found none\. Run `img2features setup`/);
});

test('a version before 2.16 is refused', linux, async () => {
  await expect(setup('2.15.1')).rejects.toThrow(
    `Expected TensorFlow 2.16 or later in ${site}/tensorflow but found 2.15.1.`,
  );
  expect(await readdir(join(folder, 'cache/runtime'))).toEqual([]);
});

test('a folder that is none is named, with what is missing', linux, async () => {
  vi.stubEnv('IMG2FEATURES_TENSORFLOW', join(site, 'tensorflow/include'));
  expect(await message()).toMatch(/found no libtensorflow_cc\.so\.2\. Name the folder of/);
  vi.stubEnv('IMG2FEATURES_TENSORFLOW', join(site, 'bare'));
  await mkdir(join(site, 'bare'));
  await writeFile(join(site, 'bare/libtensorflow_cc.so.2'), '');
  await writeFile(join(site, 'bare/libtensorflow_framework.so.2'), '');
  expect(await message()).toMatch(/bare for IMG2FEATURES_TENSORFLOW but found no include\//);
});
