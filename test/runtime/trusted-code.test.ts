import { chmodSync, chownSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { graphsDir } from '../../src/engine/graph/graph-cache.ts';
import { RuntimeError } from '../../src/errors.ts';
import { requireAddon } from '../../src/runtime/addons.ts';
import { loadTfjsNode } from '../../src/runtime/tensorflow-js.ts';
import { expectTrusted, isTrusted, makePrivateFolder } from '../../src/runtime/trusted-code.ts';
import { skipIf } from '../skip-if.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const NO_OWNERS = skipIf(process.geteuid === undefined, 'this system has no modes of files');
const NOT_ROOT = skipIf(process.geteuid?.() !== 0, 'only root may give a file to another user');

/** <folder>/cache/addons/x.node, where only its owner can write; the folder is closed, unless it is opened to all. */
async function addonIn({ isOpen = true } = {}) {
  const folder = await temporaryFolder();
  if (isOpen) chmodSync(folder, 0o755);
  const cache = join(folder, 'cache');
  const addons = join(cache, 'addons');
  mkdirSync(addons, { recursive: true });
  const path = join(addons, 'x.node');
  writeFileSync(path, 'no addon at all', { mode: 0o644 });
  chmodSync(cache, 0o755);
  chmodSync(addons, 0o755);
  return { folder, cache, addons, path };
}

test('code is trusted that only its owner can change, below /tmp too', NO_OWNERS, async () => {
  const { cache, path } = await addonIn();
  expect([isTrusted(path), isTrusted(cache), isTrusted(`${path}-not-there`)]).toEqual([
    true,
    true,
    true,
  ]);
});

test.each(['cache', 'addons', 'path'] as const)(
  'it is not where others may write: %s',
  NO_OWNERS,
  async (which) => {
    const made = await addonIn();
    chmodSync(made[which], 0o777);
    expect(isTrusted(made.path)).toBe(false);
    const error = await Promise.resolve()
      .then(() => expectTrusted(made.path))
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(RuntimeError);
    expect(error.message).toContain(`found ${made[which]}, which others may write (mode 0777)`);
    expect(error.fix).toContain(`chmod go-w ${made[which]}`);
    // A sticky folder lets nobody exchange what others have there.
    if (which !== 'path') chmodSync(made[which], 0o1777);
    expect(isTrusted(made.path)).toBe(which !== 'path');
  },
);

test('below a folder that is closed to others modes do not matter', NO_OWNERS, async () => {
  const { path, addons } = await addonIn({ isOpen: false });
  chmodSync(addons, 0o777);
  chmodSync(path, 0o666);
  expect(isTrusted(path)).toBe(true);
});

test('links are followed: what they lead to is judged, with the way to it', NO_OWNERS, async () => {
  const { addons, folder, path } = await addonIn();
  const link = join(folder, 'link');
  symlinkSync(addons, link);
  expect(isTrusted(join(link, 'x.node'))).toBe(true);
  chmodSync(addons, 0o777);
  expect(isTrusted(join(link, 'x.node'))).toBe(false);
  chmodSync(addons, 0o755);
  const other = await addonIn();
  symlinkSync(other.path, join(addons, 'y.node'));
  chmodSync(other.path, 0o666);
  expect([isTrusted(path), isTrusted(addons)]).toEqual([true, false]);
});

test.each(['cache', 'path'] as const)(
  'nor what belongs to another user: %s',
  NOT_ROOT,
  async (which) => {
    const made = await addonIn({ isOpen: false });
    chownSync(made[which], 12_345, 12_345);
    expect(() => expectTrusted(made.path)).toThrow(
      `found ${made[which]}, which belongs to user 12345 (this is user 0); nothing is loaded`,
    );
  },
);

test('folders for code are closed to others whatever the umask is', NO_OWNERS, async () => {
  const folder = await temporaryFolder();
  const before = process.umask(0);
  try {
    makePrivateFolder(join(folder, 'cache', 'addons'));
  } finally {
    process.umask(before);
  }
  const modes = ['cache', 'cache/addons'].map((name) => statSync(join(folder, name)).mode & 0o777);
  expect(modes).toEqual([0o700, 0o700]);
  chmodSync(folder, 0o777);
  expect(() => makePrivateFolder(join(folder, 'cache'))).toThrow('which others may write');
});

test(
  'neither an addon, nor TensorFlow, nor a graph is taken from where others may write',
  NO_OWNERS,
  async () => {
    const { cache, addons, path } = await addonIn();
    expect(requireAddon(path, () => undefined).why).not.toContain('others may write'); // it is tried, and is none
    mkdirSync(join(cache, 'graphs'));
    expect(graphsDir({ IMG2FEATURES_CACHE: cache })).toBe(join(cache, 'graphs'));
    chmodSync(cache, 0o777);
    expect(requireAddon(path, () => undefined).why).toContain(`chmod go-w ${cache}`);
    const runtime = { kind: 'cpu', dir: addons, bindingPath: path, tensorflow: '2' } as const;
    await expect(loadTfjsNode(runtime)).rejects.toThrow(`found ${cache}, which others may write`);
    expect(graphsDir({ IMG2FEATURES_CACHE: cache })).not.toContain(cache);
  },
);
