import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { ADDON_NAMES, findAddon } from '../../src/runtime/addons.ts';
import { readParquetRows } from '../e2e/read-table.ts';
import { listFiles, runInProcess, startCli, tempFolder } from '../e2e/run-cli.ts';
import { isLong } from '../faults/long-form.ts';
import { skipIf } from '../skip-if.ts';
import { decodeStreams, encodeStream } from '../worker/arrow-streams.ts';
import { until } from '../worker/worker-process.ts';

const locate = new URL('../../dist/runtime/locate-runtime.js', import.meta.url).href;
const { cpu: runtime } = await (await import(locate)).locateRuntime();
const addons = ADDON_NAMES.flatMap((name) => findAddon(name) ?? []);

let dir: string;
let remove: () => Promise<void>;
let said: string;
let unpacked: string;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'in'), { seed: 9, imagesPerClass: 2, minSize: 20, maxSize: 30 });
  const slim = ['--seed', '1', '--width', '0.125', '--out', 'models/vgg16'];
  await runInProcess(dir, 'model', 'init', 'vgg16', ...slim);
  const packing = ['--model', 'models/vgg16', '--no-runtime', '--out', 'all.tar'];
  ({ stdout: said } = await runInProcess(dir, 'pack', ...packing));
  unpacked = unpack('all.tar', 'some where');
  mkdirSync(join(dir, 'home'));
});
afterAll(() => remove());

function unpack(archive: string, to: string): string {
  mkdirSync(join(dir, to));
  execFileSync('tar', ['xf', join('..', archive)], { cwd: join(dir, to) });
  return join(dir, to);
}

/** Runs what was unpacked with no environment at all but an empty home. */
function runBare(command: string, args: readonly string[], input?: Uint8Array) {
  const result = spawnSync(command, args, {
    cwd: dir,
    env: { HOME: join(dir, 'home') },
    input: input ?? '',
    maxBuffer: 1 << 26,
  });
  expect(result.error).toBeUndefined();
  return result;
}

test('it says what it packed, and how large that is', () => {
  expect(said).toMatch(/^all\.tar: \d+(\.\d)? MB, \d+ files, \d+(\.\d)? MB unpacked\n/);
  expect(said).toContain('TensorFlow: left out\n');
  expect(said).toMatch(/Model: .*models\/vgg16\n/);
  expect(readdirSync(dir).filter((name) => name.includes('.img2features-'))).toEqual([]);
});

test('the manifest names every file with its SHA-256, and the versions', () => {
  const { files, ...rest } = JSON.parse(readFileSync(join(unpacked, 'manifest.json'), 'utf8'));
  expect(rest).toMatchObject({
    format: 1,
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    runtime: null,
    model: {
      architecture: 'vgg16',
      trained: false,
      weightsSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    },
  });
  const found = Object.fromEntries(
    listFiles(unpacked)
      .filter((name) => name !== 'manifest.json')
      .map((name) => {
        const bytes = readFileSync(join(unpacked, name));
        return [
          name,
          { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') },
        ];
      }),
  );
  expect(files).toEqual(found);
});

test('what only building or typing needs stays behind, licences do not', () => {
  const names = listFiles(unpacked);
  expect(names.filter((name) => /\.d\.[cm]?ts$|\.map$/.test(name))).toEqual([]);
  for (const unwanted of ['typescript', 'vitest', '@biomejs', '@tensorflow', 'esbuild']) {
    expect(names.filter((name) => name.includes(`node_modules/${unwanted}/`))).toEqual([]);
  }
  expect(names).toContain('lib/LICENSE');
  expect(names).toContain('lib/models/keras-applications.jsonl.br');
  expect(names).toContain('lib/node_modules/sharp/LICENSE');
});

test(
  'our own addons travel along, with the library for JPEG',
  skipIf(addons.length === 0, 'no addon is compiled (img2features setup)'),
  () => {
    const files = listFiles(unpacked);
    for (const addon of addons) expect(files).toContain(`cache/addons/${basename(addon)}`);
    const library = `/libjpeg-turbo/${process.platform}-${process.arch}/libturbojpeg.so.0`;
    expect(files.filter((name) => name.endsWith(library))).toHaveLength(1);
  },
);

test('pixels without an environment equal those of this installation', async () => {
  const args = ['in', '--mode', 'pixels', '--k', '2', '--out'];
  const { status, stderr } = runBare(join(unpacked, 'bin/img2features'), [...args, 'bare']);
  expect(status, String(stderr)).toBe(0);
  await runInProcess(dir, ...args, 'here');
  expect(readParquetRows(join(dir, 'bare'))).toEqual(readParquetRows(join(dir, 'here')));
  // Nothing was left in the home folder.
  expect(readdirSync(join(dir, 'home'))).toEqual([]);
});

test('the packed model is the one of --mode vgg16, and its worker answers', async () => {
  const names = listFiles(join(dir, 'in')).slice(0, 3);
  const rows = names.map((name) => ({
    origin: `in/${name}`,
    content: readFileSync(join(dir, 'in', name)),
  }));
  symlinkSync(join('some where', 'bin', 'img2features'), join(dir, 'link'));
  const args = ['worker', '--mode', 'vgg16', '--layer', 'fc2', '--batch', '2'];
  // From a folder without models, through a link, as a cluster may start it.
  const { status, stdout, stderr } = runBare('./link', args, encodeStream(rows));
  expect(status, String(stderr)).toBe(0);
  const [ready] = String(stderr).split('\n');
  expect(JSON.parse(ready!)).toMatchObject({ event: 'ready', device: 'wasm', lengths: [512] });
  const [answer] = decodeStreams(stdout);
  expect(answer!.map(({ origin, status: code }) => [origin, code])).toEqual(
    rows.map(({ origin }) => [origin, 'ok']),
  );
});

test('the same installation gives the same bytes, and compressing them changes none', async () => {
  const packing = ['pack', '--no-runtime', '--no-node', '--out'];
  await runInProcess(dir, ...packing, 'new/folder/one.tgz');
  await runInProcess(dir, ...packing, 'two.tar');
  const one = gunzipSync(readFileSync(join(dir, 'new/folder/one.tgz')));
  expect(one.equals(readFileSync(join(dir, 'two.tar')))).toBe(true);
  // Less Node: an archive for machines that have one.
  const bare = unpack('two.tar', 'without-node');
  expect(listFiles(bare).some((name) => name.startsWith('node/'))).toBe(false);
  const env = { IMG2FEATURES_NODE: process.execPath };
  const version = execFileSync(join(bare, 'bin/img2features'), ['--version'], { env });
  expect(String(version)).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('what cannot be packed is one clear error and no file', async () => {
  writeFileSync(join(dir, 'file'), '');
  const cases: [string[], RegExp][] = [
    [
      ['--out', 'a.zip'],
      /Expected a name that ends with \.tar\.gz, \.tgz or \.tar for --out but received a\.zip/,
    ],
    [['--out', 'file/a.tar'], /Expected to write the archive to file\/a\.tar but found/],
    [['--model', 'nothing', '--out', 'a.tar'], /nothing/],
  ];
  for (const [args, message] of cases) {
    const { status, stderr } = await runInProcess(dir, 'pack', '--no-runtime', ...args);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  }
  expect(readdirSync(dir).filter((name) => name.startsWith('a.'))).toEqual([]);
});

test('an interrupted pack leaves nothing', async () => {
  mkdirSync(join(dir, 'stopped'));
  const { child, finished } = startCli(dir, 'pack', '--no-runtime', '--out', 'stopped/a.tgz');
  const files = () => readdirSync(join(dir, 'stopped'));
  await until(() => files().find((name) => name.startsWith('.a.tgz.img2features-')), 'the archive');
  child.kill('SIGINT');
  expect((await finished).status).toBe(130);
  expect(files()).toEqual([]);
});

test('with the TensorFlow runtime, VGG16 without an environment equals that of this installation', {
  timeout: 300_000,
  ...skipIf(!isLong || runtime === undefined, 'only with TensorFlow and IMG2FEATURES_FAULTS=long'),
}, async () => {
  await runInProcess(dir, 'pack', '--model', 'models/vgg16', '--out', 'runtime.tar.gz');
  const whole = unpack('runtime.tar.gz', 'whole');
  const args = ['in', '--mode', 'vgg16', '--layer', 'fc2', '--device', 'cpu', '--k', '0', '--out'];
  const { status, stderr } = runBare(join(whole, 'bin/img2features'), [...args, 'bare-vgg16']);
  expect(status, String(stderr)).toBe(0);
  await runInProcess(dir, ...args, 'here-vgg16');
  expect(readParquetRows(join(dir, 'bare-vgg16'))).toEqual(
    readParquetRows(join(dir, 'here-vgg16')),
  );
});
