import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { ExportError } from '../../src/errors.ts';
import { FolderStore } from '../../src/storage/folder-store.ts';
import { temporaryFolder } from '../temporary-folder.ts';

afterEach(() => void vi.restoreAllMocks());

/** A process id that no process has: one that has just ended. */
function deadPid(): number {
  return Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }));
}

async function allFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

/** The system calls of files go through one prototype: that is where a disk can be made to fail. */
async function fileHandlePrototype(): Promise<FileHandle> {
  const handle = await open(import.meta.filename, 'r');
  await handle.close();
  return Object.getPrototypeOf(handle);
}

const systemError = (code: string) => Object.assign(new Error(`${code}: it failed`), { code });

test('shows a file under its name only when it is committed, whole', async () => {
  const dir = await temporaryFolder();
  const store = await FolderStore.open(dir);
  const file = await store.create('parquet/part-00000.parquet');
  await file.write(Buffer.from('PAR1'));
  await file.write(Buffer.from(' and more'));
  expect(await store.list('parquet')).toEqual([]);
  expect(await readdir(join(dir, 'parquet'))).toEqual([`.part-00000.parquet.tmp-${process.pid}`]);
  expect(await file.commit()).toEqual({
    name: 'parquet/part-00000.parquet',
    bytes: 13,
    sha256: createHash('sha256').update('PAR1 and more').digest('hex'),
  });
  expect(await readFile(join(dir, 'parquet/part-00000.parquet'), 'utf8')).toBe('PAR1 and more');
  expect(await readdir(join(dir, 'parquet'))).toEqual(['part-00000.parquet']);
});

test('replaces a committed file in one step', async () => {
  const dir = await temporaryFolder();
  const store = await FolderStore.open(dir);
  for (const text of ['first, longer', 'second']) {
    const file = await store.create('run.json');
    await file.write(Buffer.from(text));
    await file.commit();
  }
  expect(await readFile(join(dir, 'run.json'), 'utf8')).toBe('second');
});

test('leaves nothing of an aborted file, however often it is aborted', async () => {
  const dir = await temporaryFolder();
  const store = await FolderStore.open(dir);
  const file = await store.create('csv/features.csv');
  await file.write(Buffer.from('half'));
  await file.abort();
  await file.abort();
  expect(await allFiles(dir)).toEqual([]);
  await expect(file.write(Buffer.from('more'))).rejects.toThrow(ExportError);
});

test('removes temporary files of dead runs when it opens, and no others', async () => {
  const dir = await temporaryFolder();
  await mkdir(join(dir, 'json'));
  const dead = deadPid();
  await writeFile(join(dir, `.run.json.tmp-${dead}`), 'torn');
  await writeFile(join(dir, 'json', `.part-00000.json.tmp-${dead}`), 'torn');
  // Left by an earlier run with our own process id, as in a container.
  await writeFile(join(dir, 'json', `.part-00001.json.tmp-${process.pid}`), 'torn');
  await writeFile(
    join(dir, 'json', `.part-00002.json.tmp-${process.ppid}`),
    'of a process that runs',
  );
  await writeFile(join(dir, '.notes'), 'the user’s');
  const first = await FolderStore.open(dir);
  const file = await first.create('json/part-00003.json');
  await FolderStore.open(dir);
  expect((await allFiles(dir)).sort()).toEqual([
    '.notes',
    `.part-00002.json.tmp-${process.ppid}`,
    `.part-00003.json.tmp-${process.pid}`,
  ]);
  await file.commit();
});

test.each([
  '../run.json',
  'parquet/../../x',
  '/etc/passwd',
  'a//b',
  '',
  '.',
  'C:\\x',
  'a\\..\\b',
  'a\0b',
])('refuses the name %j', async (name) => {
  const store = await FolderStore.open(await temporaryFolder());
  await expect(store.create(name)).rejects.toThrow('Expected a name inside');
  await expect(store.create(name)).rejects.toThrow(ExportError);
});

test('lists and removes its files', async () => {
  const dir = await temporaryFolder();
  const store = await FolderStore.open(dir);
  await (await store.create('json/b.json')).commit();
  await (await store.create('json/a.json')).commit();
  expect(await store.list('json')).toEqual(['a.json', 'b.json']);
  expect(await store.list('csv')).toEqual([]);
  await store.remove('json/a.json');
  await store.remove('json/a.json');
  expect(await store.list('json')).toEqual(['b.json']);
});

test('says what to do when the output is a file', async () => {
  const dir = await temporaryFolder();
  await writeFile(join(dir, 'out'), '');
  await expect(FolderStore.open(join(dir, 'out'))).rejects.toThrow(ExportError);
  await expect(FolderStore.open(join(dir, 'out', 'deeper'))).rejects.toThrow(
    'found a file where a folder should be (ENOTDIR)',
  );
});

test('does not follow a link that stands where its temporary file goes', async () => {
  const dir = await temporaryFolder();
  const store = await FolderStore.open(join(dir, 'out'));
  await writeFile(join(dir, 'precious'), 'precious');
  await symlink(join(dir, 'precious'), join(dir, 'out', `.run.json.tmp-${process.pid}`));
  const file = await store.create('run.json');
  await file.write(Buffer.from('{}'));
  await file.commit();
  expect(await readFile(join(dir, 'precious'), 'utf8')).toBe('precious');
});

test.each([
  ['ENOSPC', 'a full disk (ENOSPC)', 'Free space'],
  ['EDQUOT', 'a used-up disk quota (EDQUOT)', 'quota'],
  ['EIO', 'an input/output error of the device (EIO)', 'dmesg'],
  ['EROFS', 'a read-only file system (EROFS)', '--out'],
  ['EFBIG', 'a limit on the size of files (EFBIG)', 'ulimit'],
])(
  'ends in one clear error at %s in the middle of a file, and leaves nothing',
  async (code, found, fix) => {
    const dir = await temporaryFolder();
    const store = await FolderStore.open(dir);
    const file = await store.create('json/part-00000.json');
    await file.write(Buffer.alloc(1000));
    vi.spyOn(await fileHandlePrototype(), 'write').mockRejectedValue(systemError(code));
    const error = await file.write(Buffer.alloc(1000)).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ExportError);
    expect(error.message).toBe(
      `Expected to write json/part-00000.json to ${join(dir, 'json')} but found ${found}.`,
    );
    expect(error.fix).toContain(fix);
    expect(error.cause.code).toBe(code);
    expect(await allFiles(dir)).toEqual([]);
  },
);

test('writes on where the system took only a part of the bytes', async () => {
  const dir = await temporaryFolder();
  const store = await FolderStore.open(dir);
  const file = await store.create('x');
  const prototype = await fileHandlePrototype();
  const write = prototype.write as unknown as (...args: unknown[]) => Promise<unknown>;
  vi.spyOn(prototype, 'write').mockImplementation(function (this: FileHandle, ...args: unknown[]) {
    const [bytes, offset, length] = args as [Uint8Array, number, number];
    return write.call(this, bytes, offset, Math.min(length, 7)) as never;
  });
  const bytes = Buffer.from('0123456789abcdefghijklmnopqrstuvwxyz');
  await file.write(bytes);
  const { sha256 } = await file.commit();
  expect(await readFile(join(dir, 'x'))).toEqual(bytes);
  expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
});

test('never shows a file whose sync failed', async () => {
  const dir = await temporaryFolder();
  const store = await FolderStore.open(dir);
  const file = await store.create('run.json');
  await file.write(Buffer.from('{}'));
  vi.spyOn(await fileHandlePrototype(), 'sync').mockRejectedValue(systemError('EIO'));
  await expect(file.commit()).rejects.toThrow('an input/output error of the device');
  expect(await allFiles(dir)).toEqual([]);
});
