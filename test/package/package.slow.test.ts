import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { publint } from 'publint';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { skipNow } from '../skip-if.ts';
import {
  type Consumer,
  installInEmptyProject,
  type Packed,
  pack,
  ROOT,
} from './pack-and-install.ts';

let packed: Packed;
let consumer: Consumer;

beforeAll(async () => {
  packed = pack();
  consumer = installInEmptyProject(packed.path);
  const drawn = { seed: 1, imagesPerClass: 2, minSize: 20, maxSize: 40, withBroken: false };
  await writeDataset(join(consumer.dir, 'dataset'), drawn);
}, 300_000);

afterAll(() => {
  if (packed) rmSync(dirname(packed.path), { recursive: true, force: true });
  if (consumer) rmSync(dirname(consumer.dir), { recursive: true, force: true });
});

/** The command of the installed package. */
const img2features = (...args: string[]) =>
  consumer.run(process.execPath, 'node_modules/img2features/dist/cli.js', ...args);

test('the tarball holds what a user needs and nothing else', () => {
  const paths = packed.files.map(({ path }) => path);
  for (const needed of [
    'LICENSE',
    'README.md',
    'SKILL.md',
    'dist/cli.js',
    'dist/bundle/LICENSES.txt',
    'dist/bundle/cli.js',
    'dist/index.d.ts',
    'dist/vendor/tensorflow/tensorflow.cjs',
    'dist/vendor/tensorflow/LICENSES.txt',
    'dist/vendor/tensorflow/binding/tfjs_backend.cc',
    'dist/vendor/libjpeg-turbo/LICENSES.txt',
    'dist/vendor/libjpeg-turbo/linux-x64/libturbojpeg.so.0',
    'native/jpeg/addon.cc',
    'native/reduce/addon.cc',
  ]) {
    expect(paths).toContain(needed);
  }
  const rooms = new Set(paths.map((path) => path.split('/')[0]));
  const expected = [
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'SKILL.md',
    'dist',
    'docs',
    'llms.txt',
    'models',
    'native',
    'package.json',
    'src',
  ];
  expect([...rooms].sort()).toEqual(expected);
  expect(paths.filter((path) => /\.(test\.|map$|ts\.bak)|\/\.sources$|\.bin$/.test(path))).toEqual(
    [],
  );
  for (const page of ['README.md', 'llms.txt']) {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map(([, link]) => link);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((link) => !paths.includes(link))).toEqual([]);
  }
  // tsc leaves what it once made: a file without a source would be packed, too.
  const orphans = paths.filter((path) => {
    const source = /^dist\/(.+)\.d\.ts$/.exec(path)?.[1];
    return source !== undefined && !existsSync(join(ROOT, 'src', `${source}.ts`));
  });
  expect(orphans).toEqual([]);
  expect(packed.size).toBeLessThan(3.3e6);
});

test('publint has nothing to say', async () => {
  const tarball = readFileSync(packed.path);
  const bytes = tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.length);
  const { messages } = await publint({ pack: { tarball: bytes as ArrayBuffer }, strict: true });
  expect(messages).toEqual([]);
});

beforeEach((context) => {
  const { name } = context.task;
  const isInstalled = !name.startsWith('the tarball') && !name.startsWith('publint');
  if (isInstalled && consumer.offline !== undefined) {
    skipNow(context, `no npm registry within reach (${consumer.offline})`);
  }
});

test('nothing that is installed downloads or compiles anything', () => {
  const lock = JSON.parse(
    readFileSync(join(consumer.dir, 'node_modules', '.package-lock.json'), 'utf8'),
  ) as { packages: Record<string, { hasInstallScript?: true }> };
  const scripts = Object.entries(lock.packages).filter(([, entry]) => entry.hasInstallScript);
  expect(scripts.map(([name]) => name)).toEqual([]);
});

test('npx finds the command', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(consumer.run('npx', 'img2features', '--version')).toMatchObject({
    status: 0,
    out: `${version}\n`,
  });
});

test('npx runs the demo in any folder, and downloads nothing where that is asked for', () => {
  const { status, out } = consumer.run('npx', 'img2features', 'demo', 'dataset', '--offline');
  expect(status).toBe(0);
  expect(out).toContain(
    `Open this page in a browser: ${join(consumer.dir, 'demo/pixels/report.html')}`,
  );
  expect(out).toContain('EfficientNet-Lite0, trained on ImageNet: left out by --offline.');
  expect(existsSync(join(consumer.dir, 'demo/vgg16-seeded/report.html'))).toBe(true);
});

test('a first table of pixels', () => {
  const options = ['--mode', 'pixels', '--out', 'features', '--quiet'];
  expect(img2features('extract', 'dataset', ...options)).toMatchObject({ status: 0, err: '' });
  expect(existsSync(join(consumer.dir, 'features', '_SUCCESS'))).toBe(true);
});

test('a network without anything set up: the WebAssembly engine of the package itself', () => {
  const made = img2features(
    'model',
    'init',
    'vgg16',
    '--seed',
    '1',
    '--width',
    '0.0625',
    '--out',
    'slim',
  );
  expect(made).toMatchObject({ status: 0 });
  const script = `
    import { openModel } from 'img2features';
    const model = await openModel('slim', { layer: 'fc2' });
    const rows = await model.embed(['dataset/circle/circle-000.jpg', new Uint8Array(3)]);
    await model.close();
    console.log(model.info.device, rows[0].vector.length, rows[1].rejection.reason);`;
  writeFileSync(join(consumer.dir, 'embed.mjs'), script);
  const { out, err } = consumer.run(process.execPath, 'embed.mjs');
  expect(err).toBe('');
  expect(out).toBe('wasm 256 not_an_image\n');
});

test('a CommonJS script', () => {
  const script = `
    const { extractBatches } = require('img2features');
    (async () => {
      let rows = 0;
      for await (const batch of extractBatches({ input: 'dataset', mode: 'pixels' })) rows += batch.numRows;
      console.log(rows);
    })();`;
  writeFileSync(join(consumer.dir, 'batches.cjs'), script);
  const { out, err } = consumer.run(process.execPath, 'batches.cjs');
  // Node 20 and 22 say that require() of a module is experimental.
  expect(err).not.toContain('Error');
  expect(Number(out)).toBeGreaterThan(4);
});

test('a TypeScript user under strict, with the libraries’ types checked, too', () => {
  const script = `
    import { extractBatches, loadReducer, openModel, Reducer } from 'img2features';
    export async function embed(bytes: Uint8Array): Promise<Float32Array | string> {
      await using model = await openModel('models/vgg16', { layer: 'fc2', pool: 'none' });
      const [row] = await model.embed([bytes]);
      if (row === undefined) return 'nothing';
      return row.rejection === undefined ? row.vector : row.rejection.reason;
    }
    export async function* rows(): AsyncGenerator<number> {
      for await (const batch of extractBatches({ input: 'dataset', mode: 'pixels' })) yield batch.numRows;
      const reducer: Reducer = await loadReducer('features');
      yield reducer.transform(new Float32Array(reducer.dims), 1).length;
    }
    // @ts-expect-error: a mistyped layer option is found by the compiler
    void openModel('models/vgg16', { layers: 'fc2' });`;
  writeFileSync(join(consumer.dir, 'use.mts'), script);
  writeFileSync(
    join(consumer.dir, 'use.cts'),
    "import img = require('img2features');\nexport const open = img.openModel;\n",
  );
  const flags =
    '--noEmit --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --skipLibCheck false --module nodenext --target es2022 --lib es2023,esnext.disposable --types node';
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, out } = consumer.run(
    process.execPath,
    tsc,
    ...flags.split(' '),
    'use.mts',
    'use.cts',
  );
  expect(out).toBe('');
  expect(status).toBe(0);
});

test('importing it loads no library of weight', () => {
  const hook = `
    import { writeSync } from 'node:fs';
    export async function load(url, context, next) {
      writeSync(1, url + '\\n');
      return next(url, context);
    }`;
  const register = `import { register } from 'node:module'; register('./hook.mjs', import.meta.url);`;
  writeFileSync(join(consumer.dir, 'hook.mjs'), hook);
  writeFileSync(join(consumer.dir, 'register.mjs'), register);
  writeFileSync(join(consumer.dir, 'import.mjs'), "import 'img2features';");
  const { out } = consumer.run(process.execPath, '--import', './register.mjs', 'import.mjs');
  const packages = out.match(/(?<=node_modules\/)(@[^/]+\/)?[^/]+/g) ?? [];
  // What fits a PCA is small.
  expect([...new Set(packages)]).toEqual(['img2features', 'ml-pca']);
});
