import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { formatModelFetch, runModelFetch } from '../../src/commands/write-model.ts';
import { fetchModel } from '../../src/convert/fetch/fetch-model.ts';
import { type OfficialWeights, officialWeights } from '../../src/convert/fetch/official-weights.ts';
import { ownIdentity } from '../../src/files/lock-file.ts';
import { fixtureBytes, workFolder } from './keras-fixtures.ts';

let work: Awaited<ReturnType<typeof workFolder>>;
let server: Server;
let mirror: string;
let asked: string[];
let content: Buffer;
let official: OfficialWeights;
beforeEach(async () => {
  work = await workFolder();
  content = await fixtureBytes('vgg16.keras1-weights.h5');
  official = {
    ...officialWeights('vgg16', true),
    md5: createHash('md5').update(content).digest('hex'),
  };
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.url!);
    response.writeHead(200, { 'content-length': content.length, etag: '"x"' }).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keras/`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await work.remove();
});

function fetchIt(more: Partial<Parameters<typeof fetchModel>[0]> = {}) {
  const dir = join(work.dir, 'vgg16');
  const network = { retries: 0 };
  return fetchModel({ name: 'vgg16', dir, cacheDir: work.dir, mirror, official, network, ...more });
}

test('the published addresses and sums of the four networks', () => {
  const all = ['vgg16', 'vgg19', 'resnet50', 'mobilenetv2'].flatMap((name) =>
    [true, false].map((top) => officialWeights(name, top)),
  );
  expect(all.map(({ path, md5, bytes }) => [path, md5 ?? bytes])).toEqual([
    ['vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5', '64373286793e3c8b2b4e3219cbf3544b'],
    ['vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5', '6d6bbae143d832006294945121d1f1fc'],
    ['vgg19/vgg19_weights_tf_dim_ordering_tf_kernels.h5', 'cbe5617147190e668d6c5d5026f83318'],
    ['vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5', '253f8cb515780f3b799900260a226db6'],
    ['resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5', '2cb95161c43110f7111970584f804107'],
    [
      'resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5',
      '4d473c1dd8becc155b73f8504c6f6626',
    ],
    ['mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5', 14_536_120],
    ['mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5', 9_406_464],
  ]);
});

test('fetches, checks, converts, and keeps the file for the next model folder', async () => {
  const stages = new Set<string>();
  const first = await fetchIt({ onProgress: (stage) => stages.add(stage) });
  expect(first).toMatchObject({ wasCached: false, wasThere: false, checkedBy: 'published MD5' });
  expect(first.folder.metadata).toMatchObject({
    architecture: 'vgg16',
    source: { kind: 'keras', file: 'vgg16_weights_tf_dim_ordering_tf_kernels.h5' },
  });
  expect([...stages]).toEqual(['download', 'convert']);
  expect(asked).toEqual(['/keras/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5']);

  expect(await fetchIt()).toMatchObject({ wasThere: true });
  expect(await fetchIt({ dir: join(work.dir, 'second') })).toMatchObject({ wasCached: true });
  expect(asked).toHaveLength(1);
  expect(await readdir(join(work.dir, 'weights'))).toEqual([official.fileName]);
});

test('a folder that only states the name of the published file is not taken for it', async () => {
  const { folder } = await fetchIt();
  const path = join(folder.dir, 'model.json');
  const stated = await readFile(path, 'utf8');
  const other = stated.replace(createHash('sha256').update(content).digest('hex'), '0'.repeat(64));
  expect(other).not.toBe(stated);
  await writeFile(path, other);
  await expect(fetchIt()).rejects.toThrow('Expected a new folder for the model');
});

test('a kept file that was changed since is fetched again', async () => {
  const { file } = await fetchIt();
  await writeFile(file, 'something else');
  expect(await fetchIt({ overwrite: true })).toMatchObject({ wasCached: false });
  expect((await readFile(file)).equals(content)).toBe(true);
});

test('a folder that may not be replaced is refused before anything is fetched', async () => {
  const dir = join(work.dir, 'weights');
  await fetchIt();
  await expect(fetchIt({ dir })).rejects.toThrow('Expected a new or empty folder');
  expect(asked).toHaveLength(1);
});

test('a wrong sum leaves neither file nor folder', async () => {
  official = { ...official, md5: '0'.repeat(32) };
  await expect(fetchIt()).rejects.toThrow(`Expected MD5 ${'0'.repeat(32)}`);
  expect(await readdir(work.dir)).toEqual(['weights']);
  expect(await readdir(join(work.dir, 'weights'))).toEqual([]);
});

test('two at a time: the second is told who is fetching', async () => {
  const lock = join(work.dir, 'weights', `${official.fileName}.lock`);
  await fetchIt();
  await writeFile(lock, JSON.stringify({ ...ownIdentity(), nonce: 'planted' }));
  await expect(fetchIt({ overwrite: true })).rejects.toThrow(`found process ${process.pid}`);
  // A lock of a process that is gone is taken over.
  await writeFile(lock, JSON.stringify({ ...ownIdentity(), pid: 999999999, nonce: 'planted' }));
  await fetchIt({ overwrite: true });
  await expect(stat(lock)).rejects.toThrow('ENOENT');
});

test('another name, or a mirror that is no address, is an option error', async () => {
  await expect(fetchModel({ name: 'alexnet', dir: 'x', cacheDir: work.dir })).rejects.toThrow(
    'Expected a network that `img2features model fetch --help` names but found "alexnet".',
  );
  await expect(fetchIt({ mirror: '/some/folder' })).rejects.toThrow(
    'Expected an http or https address for mirror but found "/some/folder".',
  );
});

test('user and password of a mirror are sent to it, and neither printed nor stored', async () => {
  const withPassword = mirror.replace('http://', 'http://me:p%40ss@');
  const sent: (string | undefined)[] = [];
  server.on('request', ({ headers }) => sent.push(headers.authorization));
  const dir = join(work.dir, 'models', 'vgg16');
  const options = { name: 'vgg16', dir, cacheDir: work.dir, official, mirror: withPassword };
  const text = formatModelFetch(await runModelFetch(options));
  expect(text).toContain(`Fetched ${mirror}vgg16/vgg16_weights`);
  expect(text).not.toContain('ss@');
  expect(sent).toEqual([`Basic ${Buffer.from('me:p@ss').toString('base64')}`]);
  const failed = fetchIt({
    mirror: withPassword,
    overwrite: true,
    official: { ...official, md5: '00' },
  });
  await expect(failed).rejects.toThrow(`for ${mirror}vgg16/`);
  await expect(fetchIt({ mirror: 'htp://me:p@ss@host' })).rejects.toThrow('found "htp://host"');
});

test('the command takes the mirror from the environment and says what it did', async () => {
  process.env.IMG2FEATURES_WEIGHTS_MIRROR = mirror;
  try {
    const dir = join(work.dir, 'models', 'vgg16');
    const result = await runModelFetch({ name: 'vgg16', dir, cacheDir: work.dir, official });
    const text = formatModelFetch(result);
    expect(text).toContain(`Fetched ${mirror}vgg16/vgg16_weights`);
    expect(text).toContain('(checked by published MD5)');
    expect(text).toContain('vgg16, 14,803 weights');
    expect(text).toContain('input 32×32, preprocessing caffe');
    expect(formatModelFetch({ ...result, wasThere: true })).toMatch(/^Already there: .*vgg16/);
  } finally {
    delete process.env.IMG2FEATURES_WEIGHTS_MIRROR;
  }
});
