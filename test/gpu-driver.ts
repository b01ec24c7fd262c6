import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findCompiler } from '../src/runtime/install/compile-addon.ts';
import { nvidiaDirs } from '../src/runtime/runtime-record.ts';
import type { TensorFlowRuntime } from '../src/runtime/tensorflow-runtime.ts';
import { found } from './engine/open-engines.ts';

/** The real CUDA library, where `img2features setup --gpu` has put it into the cache. */
export const gpuRuntime = found.gpu;

const SOURCES = fileURLToPath(new URL('./fixtures/gpu-driver/', import.meta.url));

/** Builds the stand-ins of the driver's libraries (test/fixtures/gpu-driver) into a folder. @returns the folder */
export async function buildDriver(dir: string, libraries = ['cuda', 'nvml']): Promise<string> {
  const { program, args } = await findCompiler();
  const names = { cuda: 'libcuda.so.1', nvml: 'libnvidia-ml.so.1' } as Record<string, string>;
  await mkdir(dir, { recursive: true });
  for (const library of libraries) {
    const source = join(SOURCES, `${library}.c`);
    const call = [...args, '-x', 'c', '-shared', '-fPIC', source, '-o', join(dir, names[library]!)];
    await promisify(execFile)(program, call);
  }
  return dir;
}

/**
 * The CUDA library as an earlier version's `setup --gpu` left it, in a folder of its own: without the second name of a
 * library, and without the packages named.
 */
export async function runtimeWithout(dir: string, packages: string[]): Promise<TensorFlowRuntime> {
  const from = gpuRuntime!.dir;
  const folders = (await readdir(join(from, 'nvidia'))).filter((name) => !packages.includes(name));
  for (const folder of ['tensorflow', ...folders.map((name) => `nvidia/${name}/lib`)]) {
    await mkdir(join(dir, folder), { recursive: true });
    for (const name of await readdir(join(from, folder)).catch(() => [])) {
      if (folder.includes('cusparse') && name.includes('cusolver')) continue;
      await symlink(join(from, folder, name), join(dir, folder, name));
    }
  }
  const bindingPath = join(dir, basename(gpuRuntime!.bindingPath));
  await copyFile(gpuRuntime!.bindingPath, bindingPath);
  return { ...gpuRuntime!, dir, bindingPath, libraryDirs: await nvidiaDirs(dir) };
}
