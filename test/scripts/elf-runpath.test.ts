import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadScript } from './load-script.ts';

const { dynamicTags, withoutRunpath } = await loadScript('lib/elf-runpath.mjs');

const RUNPATH = 29;
const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

test.each(['linux-x64', 'linux-arm64'])(
  'the library for %s searches no folder for others',
  (platform) => {
    const name = 'libturbojpeg.so.0';
    const theirs = readFileSync(
      path(`node_modules/@julusian/jpeg-turbo/prebuilds/jpeg-turbo-${platform}/${name}`),
    );
    const ours = readFileSync(path(`dist/vendor/libjpeg-turbo/${platform}/${name}`));
    expect(dynamicTags(theirs)).toContain(RUNPATH);
    expect(dynamicTags(ours)).toEqual(dynamicTags(theirs).filter((tag: number) => tag !== RUNPATH));
    // By Buffer: vitest would compare byte for byte, in seconds.
    expect(ours.equals(withoutRunpath(theirs))).toBe(true);
    // Nothing else is another.
    const differing = ours.reduce((sum, byte, at) => sum + (byte === theirs[at] ? 0 : 1), 0);
    expect([ours.length === theirs.length, differing < 500]).toEqual([true, true]);
  },
);

test('what is no shared library is refused', () => {
  expect(() => withoutRunpath(Buffer.from('MZ'))).toThrow('Expected a 64-bit little-endian ELF');
});
