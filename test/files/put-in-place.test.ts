import { readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isHiddenName, replaceFile, replaceFolder } from '../../src/files/put-in-place.ts';
import { temporaryFolder } from '../temporary-folder.ts';

test('a file is replaced as a whole, and one that fails leaves what was there', async () => {
  const dir = await temporaryFolder();
  const path = join(dir, 'notes.json');
  await replaceFile(path, (temp) => writeFile(temp, 'old'));
  const failing = replaceFile(path, async (temp) => {
    expect((await readdir(dir)).filter(isHiddenName)).toEqual([]);
    await writeFile(temp, 'half');
    expect((await readdir(dir)).filter(isHiddenName)).toHaveLength(1);
    throw new Error('no more');
  });
  await expect(failing).rejects.toThrow('no more');
  expect(await readFile(path, 'utf8')).toBe('old');
  await replaceFile(path, (temp) => writeFile(temp, 'new'));
  expect(await readFile(path, 'utf8')).toBe('new');
  expect(await readdir(dir)).toEqual(['notes.json']);
});

test('what a killed process of this machine left goes, that of others stays', async () => {
  const dir = await temporaryFolder();
  const hidden = (host: string, pid: number) => `.a.tar.img2features-${host}-${pid}-0badcafe`;
  const others = [hidden(`not-${hostname()}`, 999999999), hidden(hostname(), process.pid)].sort();
  for (const name of [hidden(hostname(), 999999999), ...others]) {
    await writeFile(join(dir, name), 'half');
  }
  await replaceFile(join(dir, 'a.tar'), (temp) => writeFile(temp, 'whole'));
  expect((await readdir(dir)).sort()).toEqual([...others, 'a.tar'].sort());
});

test('of several that replace a folder at once one wins, and nothing else is left', async () => {
  const dir = await temporaryFolder();
  const target = join(dir, 'graph');
  for (let round = 0; round < 20; round++) {
    const makers = Array.from({ length: 8 }, (_, i) =>
      replaceFolder(target, {
        overwrite: true,
        fill: (temp) => writeFile(join(temp, 'text'), `${round} ${i}`),
      }),
    );
    await Promise.allSettled(makers);
    expect(await readdir(dir)).toEqual(['graph']);
    expect(await readFile(join(target, 'text'), 'utf8')).toMatch(`${round} `);
  }
});
