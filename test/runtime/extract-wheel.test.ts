import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RuntimeError } from '../../src/errors.ts';
import { extractWheel, fileSha256 } from '../../src/runtime/install/extract-wheel.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { makeWheel } from './make-wheel.ts';

test('wanted members are unpacked, with their executable bit, and their sizes told', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'a.whl');
  const { sha256 } = await makeWheel(path, [
    { name: 'lib/a.so', text: 'library' },
    { name: 'bin/ptxas', text: 'program', mode: 0o755 },
    { name: 'python/b.py', text: 'not wanted' },
  ]);
  const into = join(folder, 'out');
  const target = (name: string) => (name.startsWith('python/') ? undefined : name);
  expect(await extractWheel({ path, sha256, into, target })).toEqual({
    'lib/a.so': 7,
    'bin/ptxas': 7,
  });
  expect(await readFile(join(into, 'lib/a.so'), 'utf8')).toBe('library');
  expect((await stat(join(into, 'bin/ptxas'))).mode & 0o777).toBe(0o755);
  expect((await stat(join(into, 'lib/a.so'))).mode & 0o111).toBe(0);
  expect((await readdir(into)).sort()).toEqual(['bin', 'lib']);
});

test('a wheel with another digest is not opened', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'a.whl');
  await makeWheel(path, [{ name: 'a', text: 'a' }]);
  const into = join(folder, 'out');
  const wrong = { path, sha256: '0'.repeat(64), into, target: (name: string) => name };
  await expect(extractWheel(wrong)).rejects.toThrow(
    /^Expected SHA-256 0{64} for .*a\.whl but found/,
  );
  await expect(readdir(into)).rejects.toThrow('ENOENT');
});

test.each(['../evil', 'lib/../../evil', '/evil', 'lib\\..\\evil'])(
  'a member named %s cannot leave the folder',
  async (name) => {
    const folder = await temporaryFolder();
    const path = join(folder, 'a.whl');
    const { sha256 } = await makeWheel(path, [{ name, text: 'x' }]);
    const into = join(folder, 'out');
    const all = { path, sha256, into, target: (member: string) => member };
    await expect(extractWheel(all)).rejects.toThrow(RuntimeError);
    expect(await readdir(folder)).toEqual(['a.whl']);
  },
);

test('a target outside the folder is refused too', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'a.whl');
  const { sha256 } = await makeWheel(path, [{ name: 'a', text: 'x' }]);
  const into = join(folder, 'out');
  const outside = { path, sha256, into, target: () => '../a' };
  await expect(extractWheel(outside)).rejects.toThrow('Expected a file inside');
});

test('a file that is no wheel is named', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'a.whl');
  await writeFile(path, 'not a zip file');
  const sha256 = await fileSha256(path);
  const all = { path, sha256, into: folder, target: (member: string) => member };
  await expect(extractWheel(all)).rejects.toThrow(
    /Expected an undamaged wheel in .*a\.whl but found/,
  );
});
