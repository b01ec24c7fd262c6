import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test, vi } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { writeZip } from '../convert/write-zip.ts';
import { TAR_END, writeTar } from '../source/archive/write-tar.ts';
import { parquetImages } from '../source/parquet/parquet-images.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { listFiles, runInProcess } from './run-cli.ts';

test('a folder, its tar, tar.gz, zip and shards give the same rows, and are resumed', async () => {
  const dir = await temporaryFolder();
  vi.stubEnv('IMG2FEATURES_CACHE', join(dir, 'cache'));
  await writeDataset(join(dir, 'set'), { seed: 5, imagesPerClass: 4, minSize: 20, maxSize: 40 });
  const members = listFiles(join(dir, 'set')).map((name) => ({
    name,
    content: readFileSync(join(dir, 'set', name)),
  }));
  const tar = (some: typeof members) => Buffer.concat([writeTar(some), TAR_END]);
  writeFileSync(join(dir, 'set.tar'), tar(members));
  writeFileSync(join(dir, 'set.tar.gz'), gzipSync(tar(members)));
  writeFileSync(
    join(dir, 'set.zip'),
    writeZip(members.map((m, i) => ({ ...m, isPacked: i % 3 === 0 }))),
  );
  const half = members.length >> 1;
  writeFileSync(join(dir, 'set-0.tar'), tar(members.slice(0, half)));
  writeFileSync(join(dir, 'set-1.tar'), tar(members.slice(half)));

  const options = '--mode pixels --format csv,json --origin relative --k 3'.split(' ');
  const extract = (input: string) => runInProcess(dir, input, ...options, '--out', `out-${input}`);
  const run = async (input: string) => {
    const { status, stderr } = await extract(input);
    expect(status, stderr).toBe(0);
    const table = readFileSync(join(dir, `out-${input}`, 'csv', 'features.csv'), 'utf8');
    return table.replaceAll(/set-\d\.tar\//g, '');
  };
  const expected = await run('set');
  for (const input of ['set.tar', 'set.tar.gz', 'set.zip', 'set-{0,1}.tar']) {
    expect(await run(input), input).toBe(expected);
    // Complete, by the same list: nothing of it changes by opening the archive again.
    const again = await extract(input);
    expect(again.stdout + again.stderr, input).toContain('complete');
  }
  const rows = members.map(({ content }) => ({ bytes: content, label: 0 }));
  writeFileSync(join(dir, 'set.parquet'), parquetImages(rows, { groupRows: 10 }));
  const dry = await runInProcess(dir, 'set.parquet', ...options, '--out', 'dry', '--dry-run');
  expect(dry.stdout).toContain(`parquet ${members.length};`);
  // Workers cannot open rows, but they are on a disk.
  expect(dry.stdout).not.toContain('store');
  vi.unstubAllEnvs();
});
