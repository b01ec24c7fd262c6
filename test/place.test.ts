import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createCli } from '../src/commands/create-cli.ts';
import { makeFolder } from '../src/files/make-folder.ts';
import { workFolder } from '../src/pipeline/work-folder.ts';
import { expectPath, isInStore } from '../src/place.ts';
import { storageError } from '../src/storage/storage-error.ts';
import { recordingContext } from './commands/recording-context.ts';
import { skipIf } from './skip-if.ts';
import { temporaryFolder } from './temporary-folder.ts';

test.each([
  ['gs://bucket/x', 'name a folder on a disk'],
  ['hdfs://host:8020/x', 'name a folder on a disk'],
  ['http://host/x', 'name a folder on a disk'],
  ['file:///a%20b/x', 'Name the path itself: /a b/x.'],
  ['file:/x', 'Name the path itself: /x.'],
  ['s3:/bucket/x', 'Write it as s3://bucket/prefix.'],
  ['s3n://bucket/x', 'Write it as s3://bucket/prefix.'],
  ['~/x', 'No shell replaced the ~'],
  ['~', 'No shell replaced the ~'],
  ['~anna/x', 'No shell replaced the ~'],
])('%s is no place to read or write', (place, fix) => {
  const error = expect.objectContaining({ tag: 'option', fix: expect.stringContaining(fix) });
  expect(() => isInStore(place, '--out')).toThrow(error);
});

test.each(['x', './gs://x', '/a/b', 'C:\\x', 'a:b', 'x~', '..', 'a b', './~/x'])(
  '%s is a path',
  (place) => {
    expect(isInStore(place, '--out')).toBe(false);
    expect(expectPath(place, '--out')).toBe(place);
  },
);

test('s3:// and s3a:// are in a store, and not where only a disk will do', () => {
  expect(isInStore('s3://bucket/x', '--out')).toBe(true);
  expect(isInStore('S3A://bucket/x', '--out')).toBe(true);
  expect(() => expectPath('s3://bucket/x', '--work-dir')).toThrow(
    'a path on a disk for --work-dir',
  );
});

test('no command takes an address for a name of a folder', async () => {
  const dir = await temporaryFolder();
  const before = process.cwd();
  process.chdir(dir);
  onTestFinished(() => process.chdir(before));
  mkdirSync('in');
  const run = ['in', '--mode', 'pixels', '--k', '0'];
  for (const argv of [
    [...run, '--out', 'gs://bucket/x'],
    [...run, '--out', '~/x'],
    [...run, '--out', 'x', '--work-dir', 'gs://bucket/x'],
    [...run, '--out', 's3:/bucket/x', '--dry-run'],
    ['file:///in', '--mode', 'pixels', '--out', 'x'],
    ['transform', 'in', '--with', 'gs://bucket/x', '--out', 'x'],
    ['verify', 'hdfs://host/x'],
    ['report', 'gs://bucket/x'],
    ['model', 'init', 'vgg16', '--width', '0.01', '--out', 'gs://bucket/x'],
    ['pack', '--out', 'gs://bucket/x.tar.gz'],
  ]) {
    await expect(createCli(recordingContext(...argv).context), argv.join(' ')).rejects.toThrow(
      /but received (gs:\/\/bucket\/x|~\/x|s3:\/bucket\/x|file:\/\/\/in|hdfs:\/\/host\/x)/,
    );
  }
  expect(readdirSync('.').filter((name) => name !== 'x')).toEqual(['in']);
});

test('makes a folder and those above it, and says what stands in the way', async () => {
  const dir = await temporaryFolder();
  makeFolder(join(dir, 'a/b/c'));
  makeFolder(join(dir, 'a/b/c'));
  expect(statSync(join(dir, 'a/b/c')).isDirectory()).toBe(true);
  writeFileSync(join(dir, 'file'), '');
  for (const path of ['file', 'file/x', 'file/x/y']) {
    expect(() => makeFolder(join(dir, path))).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
  }
});

test(
  'ends where a folder takes no others',
  skipIf(!existsSync('/proc/self'), 'needs /proc'),
  () => {
    expect(() => makeFolder('/proc/img2features/x')).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
  },
);

test('trouble in the state of a run names the option that moves it', () => {
  const full = Object.assign(new Error('full'), { code: 'ENOSPC' });
  const fixAt = (options: { out: string; workDir?: string }) => {
    const dir = workFolder({ workDir: undefined, s3Endpoint: undefined, ...options });
    return storageError(full, 'shard 1', join(dir, 'shards')).fix;
  };
  expect(fixAt({ out: 'x' })).toContain('choose another --out');
  expect(fixAt({ out: 'x', workDir: '/big' })).toContain('choose another --work-dir');
  expect(fixAt({ out: 's3://bucket/x' })).toContain('choose another --work-dir');
});
