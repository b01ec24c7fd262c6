import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileAddon, findCompiler } from '../../src/runtime/install/compile-addon.ts';
import { findPip } from '../../src/runtime/install/pip.ts';
import { runCommand } from '../../src/runtime/run-command.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { fakeBin, fakeCompiler, fakePip } from './fake-tools.ts';

test('an empty PATH has no Python', async () => {
  const env = { PATH: await temporaryFolder() };
  await expect(findPip(env)).rejects.toThrow('Expected Python 3 with pip but found no python3.');
});

test('a Python without pip is told apart', async () => {
  const folder = await temporaryFolder();
  const python3 = 'echo "/usr/bin/python3: No module named pip" >&2; exit 1';
  const env = { PATH: await fakeBin(folder, { python3 }) };
  await expect(findPip(env)).rejects.toThrow('but found python3 without pip.');
});

test("pip's version is read", async () => {
  const folder = await temporaryFolder();
  const env = { PATH: await fakeBin(folder, { python3: fakePip('') }) };
  expect(await findPip(env)).toEqual({
    program: 'python3',
    args: ['-m', 'pip'],
    version: 'pip 99.1 (python 3.99)',
  });
});

test('an empty PATH has no compiler', async () => {
  const env = { PATH: await temporaryFolder() };
  await expect(findCompiler(env)).rejects.toThrow(
    'Expected a C++ compiler to build the addon but found none of c++, g++, clang++.',
  );
});

test('CXX is honoured, with its words, and not silently replaced', async () => {
  const folder = await temporaryFolder();
  const PATH = await fakeBin(folder, { mine: 'echo "mine 7 $1"', 'c++': 'echo "c++ 1"' });
  expect(await findCompiler({ PATH, CXX: 'mine g++' })).toEqual({
    program: 'mine',
    args: ['g++'],
    version: 'mine 7 g++',
  });
  await expect(findCompiler({ PATH, CXX: 'absent' })).rejects.toThrow('found "absent"');
});

test('clang++ is taken when it is the only one', async () => {
  const folder = await temporaryFolder();
  const PATH = await fakeBin(folder, { 'clang++': 'echo "clang version 14"' });
  expect((await findCompiler({ PATH })).program).toBe('clang++');
});

test('one compiler call builds the addon with a path that survives a rename', async () => {
  const folder = await temporaryFolder();
  const script = fakeCompiler('touch "$output"').replace(
    'while',
    `echo "$@" > ${folder}/args\nwhile`,
  );
  const bin = await fakeBin(folder, { mine: script });
  const dir = join(folder, 'runtime');
  await mkdir(dir);
  await compileAddon({ dir }, { program: join(bin, 'mine'), args: [], version: 'mine' });
  const args = await readFile(join(folder, 'args'), 'utf8');
  expect(args).toContain('tfjs_backend.cc');
  expect(args).toContain('-DNAPI_VERSION=8');
  expect(args).toContain(
    process.platform === 'darwin' ? '@loader_path/tensorflow' : '-Wl,-rpath,$ORIGIN/tensorflow',
  );
});

test("the compiler's first error is told in one line", async () => {
  const folder = await temporaryFolder();
  const bin = await fakeBin(folder, {
    mine: 'echo "In file included from x:" >&2; echo "x.h:1: fatal error: algorithm: No such file" >&2; exit 1',
  });
  const compiler = { program: join(bin, 'mine'), args: [], version: 'mine 1.0' };
  await expect(compileAddon({ dir: folder }, compiler)).rejects.toThrow(
    "Expected mine 1.0 to compile tfjs-node's addon but found: x.h:1: fatal error: algorithm: No such file",
  );
});

test('a missing program is told at once, and no timer outlives it', async () => {
  const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const asked = await runCommand('no-such-program', [], { timeoutMs: 60_000 });
  expect([asked.missing, asked.status]).toEqual([true, undefined]);
  const after = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  expect(after).toBe(before);
});

test('a program that takes too long is ended', async () => {
  const asked = await runCommand('sleep', ['30'], { timeoutMs: 100 });
  expect(asked.signal).toBe('SIGTERM');
});
