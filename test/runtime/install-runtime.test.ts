/** The whole install as a process of its own, with a tiny wheel and small scripts as its tools. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { operationsPath } from '../../src/runtime/operations.ts';
import type { RuntimeRecord } from '../../src/runtime/runtime-record.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { fakeBin, fakeCompiler, fakePip } from './fake-tools.ts';
import { makeWheel } from './make-wheel.ts';

const NAME = 'tensorflow-2.21.0-cpu-linux-x64';
/** Its name depends on the sources in native/. */
const OPERATIONS = basename(operationsPath(''));
const CHILD = fileURLToPath(new URL('install-child.mjs', import.meta.url));

const SOLVER = 'nvidia/cusolver/lib/libcusolver.so.11';
const SPARSE = 'nvidia/cusparse/lib/libcusparse.so.12';

interface Line {
  readonly name?: string;
  readonly state?: string;
  readonly detail?: string;
  readonly done?: boolean;
  readonly wasThere?: boolean;
  readonly withoutOperations?: string;
  readonly error?: string;
}

/** A cache folder, a wheel, a pip that copies it and a compiler that writes a few bytes. */
async function workshop(kind: 'cpu' | 'gpu' = 'cpu') {
  const folder = await temporaryFolder();
  const cache = join(folder, 'cache');
  const runtimes = join(cache, 'runtime');
  const made = await makeWheel(join(folder, 'source.whl'), [
    { name: 'tensorflow/libtensorflow_cc.so.2', text: 'the library' },
    { name: 'tensorflow/libtensorflow_framework.so.2', text: 'its other half' },
    { name: 'tensorflow/include/tensorflow/c/c_api.h', text: '// header' },
    { name: 'tensorflow/python/x.py', text: 'not wanted' },
    { name: 'tensorflow/THIRD_PARTY_NOTICES.txt', text: 'notices' },
    ...(kind === 'gpu' ? [SOLVER, SPARSE].map((name) => ({ name, text: name })) : []),
  ]);
  const tag = 'cp312-cp312-manylinux_2_27_x86_64';
  const recipe = {
    kind,
    platform: 'linux-x64',
    unpackedBytes: 1000,
    wheels: [{ package: 'tensorflow-cpu', version: '2.21.0', tag, ...made }],
  };
  const PATH = await fakeBin(folder, {
    python3: fakePip(
      `echo pip >> ${folder}/calls; /bin/cp ${folder}/source.whl "$dest/tensorflow_cpu-2.21.0-${tag}.whl"`,
    ),
    'c++': fakeCompiler(
      `echo $$ > ${folder}/compiler.pid; case "$output" in *operations*) [ -z "$NO_OPERATIONS" ] || { echo "error: no such thing" >&2; exit 1; } ;; esac; [ -z "$SLOW" ] || exec /bin/sleep 30; echo addon > "$output"`,
    ),
  });
  const start = (env: NodeJS.ProcessEnv = {}) => {
    const child = spawn(process.execPath, [CHILD], {
      env: { PATH, IMG2FEATURES_CACHE: cache, RECIPE: JSON.stringify(recipe), ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };
  const calls = async () => (await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n');
  return { folder, cache, runtimes, recipe, start, calls };
}

async function linesOf(child: ChildProcess): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of createInterface(child.stdout!)) lines.push(JSON.parse(line) as Line);
  return lines;
}

async function until(child: ChildProcess, name: string, state: string): Promise<void> {
  for await (const text of createInterface(child.stdout!)) {
    const line = JSON.parse(text) as Line;
    if (line.name === name && line.state === state) return;
  }
  throw new Error(`the install ended before ${name} ${state}`);
}

test('an install leaves the library, the addon, the licenses and a record, and nothing else', async () => {
  const { runtimes, start, recipe } = await workshop();
  const lines = await linesOf(start());
  expect(lines.at(-1)).toEqual({ done: true, wasThere: false });
  const steps = lines.filter((line) => line.state === 'done').map((line) => line.name);
  expect(steps).toEqual(['tools', 'download', 'unpack', 'compile', 'compile', 'try', 'finish']);
  expect(await readdir(runtimes)).toEqual([NAME]);
  const files = await readdir(join(runtimes, NAME), { recursive: true });
  expect(files.sort()).toEqual([
    'THIRD',
    'THIRD/tensorflow-cpu',
    'THIRD/tensorflow-cpu/THIRD_PARTY_NOTICES.txt',
    OPERATIONS,
    'runtime.json',
    'tensorflow',
    'tensorflow/libtensorflow_cc.so.2',
    'tensorflow/libtensorflow_framework.so.2',
    'tfjs_binding.node',
  ]);
  const text = await readFile(join(runtimes, NAME, 'runtime.json'), 'utf8');
  const record = JSON.parse(text) as RuntimeRecord;
  expect(record.wheels[0]!.sha256).toBe(recipe.wheels[0]!.sha256);
  expect(record.compiler).toBe('fake c++ 1.0');
  expect(record.files['tfjs_binding.node']).toBe(6);
});

test('a finished install is not done again, a damaged or a forced one is', async () => {
  const { runtimes, start, calls } = await workshop();
  await linesOf(start());
  expect(await linesOf(start())).toEqual([{ done: true, wasThere: true }]);
  await writeFile(join(runtimes, NAME, 'tensorflow/libtensorflow_cc.so.2'), 'cut');
  expect((await linesOf(start())).at(-1)).toEqual({ done: true, wasThere: false });
  expect((await linesOf(start({ FORCE: '1' }))).at(-1)).toEqual({ done: true, wasThere: false });
  expect(await calls()).toHaveLength(3);
  expect(await readdir(runtimes)).toEqual([NAME]);
});

test('an install of an earlier version gets the operations by one compiler call', async () => {
  const { runtimes, start, calls } = await workshop();
  await linesOf(start());
  await rm(join(runtimes, NAME, OPERATIONS));
  const lines = await linesOf(start());
  expect(lines.map(({ name, done, wasThere }) => name ?? { done, wasThere })).toEqual([
    'compile',
    'compile',
    { done: true, wasThere: true },
  ]);
  expect(await calls()).toEqual(['pip']);
  expect(await readdir(join(runtimes, NAME))).toContain(OPERATIONS);
});

test('TensorFlow finds cuSOLVER in a folder that it searches, also in an install of an earlier version', async () => {
  const { runtimes, start } = await workshop('gpu');
  await linesOf(start());
  const dir = join(runtimes, NAME.replace('cpu', 'gpu'));
  const second = join(dir, 'nvidia/cusparse/lib/libcusolver.so.11');
  expect(await readFile(second, 'utf8')).toBe(SOLVER);
  await rm(second);
  expect((await linesOf(start())).at(-1)).toEqual({ done: true, wasThere: true });
  expect(await readFile(second, 'utf8')).toBe(SOLVER);
});

test('a CUDA library that does not open fails the install, and says why', async () => {
  const { runtimes, start } = await workshop('gpu');
  const said = 'libcudnn.so.9: cannot open shared object file';
  const lines = await linesOf(start({ UNOPENED: said }));
  expect(lines.at(-1)?.error).toBe(
    `RuntimeError: Expected CUDA's libraries to open but found: ${said}.`,
  );
  expect(await readdir(runtimes)).toEqual(['downloads']);
});

test('operations that do not compile are told of, and the library is installed without them', async () => {
  const { runtimes, start } = await workshop();
  const said = 'Expected fake c++ 1.0 to compile the operations but found: error: no such thing';
  const first = await linesOf(start({ NO_OPERATIONS: '1' }));
  expect(first.at(-1)).toEqual({ done: true, wasThere: false, withoutOperations: said });
  const second = await linesOf(start({ NO_OPERATIONS: '1' }));
  expect(second.at(-1)).toEqual({ done: true, wasThere: true, withoutOperations: said });
  expect(await readdir(join(runtimes, NAME))).not.toContain(OPERATIONS);
});

test('of two at once one works and the other waits', async () => {
  const { start, calls, runtimes } = await workshop();
  const [first, second] = await Promise.all([linesOf(start()), linesOf(start())]);
  expect([first.at(-1)?.done, second.at(-1)?.done]).toEqual([true, true]);
  expect(await calls()).toEqual(['pip']);
  expect(await readdir(runtimes)).toEqual([NAME]);
});

test('one killed half-way leaves nothing that looks finished, and the next one resumes its download', async () => {
  const { folder, runtimes, start, calls } = await workshop();
  const child = start({ SLOW: '1' });
  await until(child, 'compile', 'start');
  while (!(await readdir(folder)).includes('compiler.pid')) await new Promise(setImmediate);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const left = await readdir(runtimes);
  expect(left).toContain('setup.lock');
  expect(left).not.toContain(NAME);
  expect(left.some((name) => name.startsWith(`.${NAME}.img2features-`))).toBe(true);

  const lines = await linesOf(start());
  expect(lines.at(-1)).toEqual({ done: true, wasThere: false });
  expect(lines.find((line) => line.name === 'download' && line.state === 'done')?.detail).toMatch(
    /kept from before$/,
  );
  expect(await calls()).toEqual(['pip']);
  expect(await readdir(runtimes)).toEqual([NAME]);
  const orphan = Number(await readFile(join(folder, 'compiler.pid'), 'utf8'));
  if (orphan !== child.pid) killIfAlive(orphan);
});

test('a wheel that is not the pinned one is refused', async () => {
  const { runtimes, start, recipe } = await workshop();
  const wheels = [{ ...recipe.wheels[0], sha256: 'f'.repeat(64) }];
  const lines = await linesOf(start({ RECIPE: JSON.stringify({ ...recipe, wheels }) }));
  expect(lines.at(-1)?.error).toMatch(/^RuntimeError: Expected SHA-256 f{64} for/);
  expect((await readdir(runtimes)).filter((name) => name.startsWith(NAME))).toEqual([]);
});

test('a disk that is too small is told before anything is downloaded', async () => {
  const { folder, start, recipe } = await workshop();
  const huge = JSON.stringify({ ...recipe, unpackedBytes: 1e18 });
  const lines = await linesOf(start({ RECIPE: huge }));
  expect(lines.at(-1)?.error).toMatch(
    /^RuntimeError: Expected 1000000000\.0 GB free in .* but found [\d.]+ GB\.$/,
  );
  expect(await readdir(folder)).not.toContain('calls');
});

test('a cache that is a file is told in one line', async () => {
  const { cache, start } = await workshop();
  await rm(cache, { recursive: true, force: true });
  await writeFile(cache, '');
  const lines = await linesOf(start());
  expect(lines.at(-1)?.error).toMatch(
    /^RuntimeError: Expected a folder to write into for .* but found ENOTDIR\.$/,
  );
});

test('without a compiler nothing is downloaded', async () => {
  const { folder, start } = await workshop();
  const lines = await linesOf(start({ CXX: 'no-such-compiler' }));
  expect(lines.at(-1)?.error).toMatch(/^RuntimeError: Expected a C\+\+ compiler/);
  expect(await readdir(folder)).not.toContain('calls');
});

test('leftovers of earlier installs are cleared away', async () => {
  const { runtimes, start } = await workshop();
  await mkdir(join(runtimes, `${NAME}.tmp-1-0badcafe`, 'tensorflow'), { recursive: true });
  await mkdir(join(runtimes, 'downloads', 'pip.tmp-1-0badcafe'), { recursive: true });
  await mkdir(join(runtimes, `.${NAME}.img2features-another-${process.pid}-0badcafe`));
  await linesOf(start());
  expect(await readdir(runtimes)).toEqual([NAME]);
});

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}
