import { expect, test } from 'vitest';
import { rename } from '../../src/files/rename.ts';

function failing(times: number, code: string) {
  const tries: string[] = [];
  const once = async (from: string | Buffer | URL, to: string | Buffer | URL) => {
    tries.push(`${from} ${to}`);
    if (tries.length <= times) throw Object.assign(new Error(code), { code });
  };
  return { tries, once };
}

test.each(['EPERM', 'EACCES', 'EBUSY'])(
  'on Windows a rename waits for who has it open (%s)',
  async (code) => {
    const { tries, once } = failing(3, code);
    await rename('a', 'b', { platform: 'win32', once, waitMs: 0 });
    expect(tries).toEqual(['a b', 'a b', 'a b', 'a b']);
  },
);

test('it does not wait for ever, for what does not pass, or on another system', async () => {
  const forEver = failing(1000, 'EBUSY');
  const options = { platform: 'win32', waitMs: 0 };
  await expect(rename('a', 'b', { ...options, once: forEver.once })).rejects.toThrow('EBUSY');
  expect(forEver.tries).toHaveLength(41);
  const missing = failing(1, 'ENOENT');
  await expect(rename('a', 'b', { ...options, once: missing.once })).rejects.toThrow('ENOENT');
  const linux = failing(1, 'EPERM');
  await expect(rename('a', 'b', { platform: 'linux', once: linux.once })).rejects.toThrow('EPERM');
  expect([missing.tries.length, linux.tries.length]).toEqual([1, 1]);
});
