import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadScript } from '../scripts/load-script.ts';
import { skipNow } from '../skip-if.ts';
import { type Consumer, installInEmptyProject, type Packed, pack } from './pack-and-install.ts';

const isHere = process.platform === 'linux' && process.arch === 'x64';

let packed: Packed;
let consumer: Consumer;
/** Why the addons could not be made. */
let lacking: string | undefined = isHere ? undefined : 'the release is made on Linux for x86-64';

beforeAll(async () => {
  if (lacking !== undefined) return;
  const { buildAddons, removePrebuilt } = await loadScript('build-addons.mjs');
  try {
    const lines: string[] = await buildAddons();
    lacking = lines.find((line) => line.startsWith('linux-x64: left out'));
    packed = pack();
  } catch (error) {
    if ((error as { tag?: string }).tag !== 'runtime') throw error;
    lacking = (error as Error).message; // no pip, or no package index
  } finally {
    removePrebuilt();
  }
  if (lacking === undefined) consumer = installInEmptyProject(packed.path);
  lacking ??= consumer.offline;
}, 300_000);

afterAll(() => {
  if (packed) rmSync(dirname(packed.path), { recursive: true, force: true });
  if (consumer) rmSync(dirname(consumer.dir), { recursive: true, force: true });
});

/** The installed command where the PATH has python3, and no compiler. */
function img2features(...args: string[]) {
  const bin = join(consumer.dir, 'bin');
  const home = join(dirname(consumer.dir), 'home');
  mkdirSync(bin, { recursive: true });
  const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)']).stdout;
  rmSync(join(bin, 'python3'), { force: true });
  symlinkSync(python.toString().trim(), join(bin, 'python3'));
  const { CXX: _, ...others } = process.env;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(consumer.dir, 'node_modules/img2features/dist/cli.js'), ...args],
    {
      cwd: consumer.dir,
      env: { ...others, PATH: bin, IMG2FEATURES_CACHE: join(home, 'cache') },
      encoding: 'utf8',
    },
  );
  return { status, out: stdout, err: stderr };
}

const checkOf = (out: string, name: string) => JSON.parse(out).checks[name];

test('the package’s own addons work before any set-up and without a compiler', (context) => {
  if (lacking !== undefined) return skipNow(context, lacking);
  const { out } = img2features('doctor', '--json', '--device', 'wasm');
  expect(checkOf(out, 'cpu').facts).toMatchObject({ kernels: 'avx2', jpeg: 'native' });
});

test('setup needs no compiler, and networks run on TensorFlow with our convolutions', {
  timeout: 300_000,
}, (context) => {
  if (lacking !== undefined) return skipNow(context, lacking);
  const { status, err } = img2features('setup');
  expect(err).toContain(', at release');
  expect(status).toBe(0);
  const runtimes = join(dirname(consumer.dir), 'home', 'cache', 'runtime');
  const [runtime] = readdirSync(runtimes).filter((name) => name.startsWith('tensorflow'));
  expect(readdirSync(join(runtimes, runtime!)).filter((name) => name.endsWith('.node'))).toEqual([
    expect.stringMatching(/^img2features_operations-[0-9a-f]{16}\.node$/),
    'tfjs_binding.node',
  ]);
  const record = JSON.parse(readFileSync(join(runtimes, runtime!, 'runtime.json'), 'utf8'));
  expect(record.compiler).toContain('at release');
  const { out } = img2features('doctor', '--json');
  expect(checkOf(out, 'tensorflow').facts).toMatchObject({ works: true });
  expect(checkOf(out, 'speed').facts).toMatchObject({ device: 'cpu', engine: 'graph' });
});

test('a damaged addon is not loaded; WebAssembly does the same', (context) => {
  if (lacking !== undefined) return skipNow(context, lacking);
  const dir = join(consumer.dir, 'node_modules/img2features/dist/vendor/prebuilt/linux-x64');
  const kernels = readdirSync(dir).find((name) => name.includes('kernels'))!;
  const path = join(dir, kernels);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
  const { out } = img2features('doctor', '--device', 'wasm');
  expect(out.replace(/\s+/g, ' ')).toMatch(/PCA by WebAssembly.*Expected SHA-256/);
});
