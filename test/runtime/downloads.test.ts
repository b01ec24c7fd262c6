import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RuntimeError } from '../../src/errors.ts';
import { downloadWheel } from '../../src/runtime/install/downloads.ts';
import { findPip } from '../../src/runtime/install/pip.ts';
import type { PinnedWheel } from '../../src/runtime/install/wheels.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { fakeBin, fakePip } from './fake-tools.ts';
import { makeWheel } from './make-wheel.ts';

const NAME = 'tiny_tensorflow-1.0-cp312-cp312-manylinux_2_27_x86_64.whl';

async function withPip(download: string) {
  const folder = await temporaryFolder();
  const made = await makeWheel(join(folder, 'source.whl'), [{ name: 'a', text: 'a' }]);
  const wheel: PinnedWheel = {
    package: 'tiny-tensorflow',
    version: '1.0',
    tag: 'cp312-cp312-manylinux_2_27_x86_64',
    ...made,
  };
  const script = download.replaceAll('SOURCE', join(folder, 'source.whl'));
  const env = { PATH: await fakeBin(folder, { python3: fakePip(script) }) };
  const downloadsDir = join(folder, 'downloads');
  await mkdir(downloadsDir);
  const run = async () => downloadWheel(wheel, { pip: await findPip(env), downloadsDir, env });
  return { folder, downloadsDir, wheel, run };
}

const refusal = async (download: string): Promise<string> => {
  const { run, downloadsDir } = await withPip(download);
  const error = await run().then(
    () => new Error('no error'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RuntimeError);
  expect(await readdir(downloadsDir)).toEqual([]);
  const { message, fix } = error as RuntimeError;
  expect(message).not.toContain('\n');
  return `${message} ${fix}`;
};

test('pip is given the pin, its hash and the platform, and the wheel is kept', async () => {
  const { run, folder, downloadsDir, wheel } = await withPip(
    `echo "$@" > FOLDER/args; /bin/cat "$dest/requirements.txt" > FOLDER/pin; /bin/cp SOURCE "$dest/${NAME}"`.replaceAll(
      'FOLDER',
      '$(/usr/bin/dirname SOURCE)',
    ),
  );
  expect(await run()).toEqual({ path: join(downloadsDir, NAME), wasThere: false });
  const args = await readFile(join(folder, 'args'), 'utf8');
  expect(args).toContain('-m pip download --require-hashes --no-deps --only-binary=:all:');
  expect(args).toContain('--python-version=3.12');
  expect(args).toContain('--platform=manylinux_2_27_x86_64');
  expect(await readFile(join(folder, 'pin'), 'utf8')).toBe(
    `tiny-tensorflow==1.0 --hash=sha256:${wheel.sha256}\n`,
  );
  expect(await readdir(downloadsDir)).toEqual([NAME]);
});

test('a wheel that is there and whole is not downloaded again; a damaged one is', async () => {
  const { run, downloadsDir } = await withPip(`/bin/cp SOURCE "$dest/${NAME}"`);
  await run();
  expect((await run()).wasThere).toBe(true);
  await writeFile(join(downloadsDir, NAME), 'half');
  expect((await run()).wasThere).toBe(false);
});

test('offline is told in one line', async () => {
  const said = await refusal(`
echo "WARNING: Retrying after connection broken by 'NewConnectionError: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution'" >&2
echo "ERROR: Could not find a version that satisfies the requirement tiny-tensorflow==1.0" >&2
echo "ERROR: No matching distribution found for tiny-tensorflow==1.0" >&2
exit 1`);
  expect(said).toBe(
    'Expected pip to download tiny-tensorflow 1.0 but found no connection to its package index (pip: No matching distribution found for tiny-tensorflow==1.0). Check the network, the proxy and `pip config list`, or use --device wasm.',
  );
});

test('an index that refuses is told', async () => {
  const said = await refusal(
    'echo "ERROR: HTTP error 403 while getting the wheel" >&2; echo "ERROR: 403 Client Error: Forbidden for url" >&2; exit 1',
  );
  expect(said).toMatch(/but found a package index that refuses it \(pip: 403 Client Error/);
});

test('an index without the wheel is told', async () => {
  const said = await refusal('echo "ERROR: No matching distribution found for x" >&2; exit 1');
  expect(said).toMatch(/but found an index without it/);
});

test('a wrong hash is told', async () => {
  const said = await refusal(
    'echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE." >&2; exit 1',
  );
  expect(said).toMatch(/^Expected SHA-256 [0-9a-f]{64} for tiny-tensorflow 1\.0 but found another/);
});

test('a full disk is told', async () => {
  const said = await refusal(
    'echo "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device" >&2; exit 1',
  );
  expect(said).toMatch(/^Expected room on the disk but found it full while downloading tiny/);
});

test('anything else is told with its exit status', async () => {
  expect(await refusal('exit 7')).toMatch(/but found exit status 7\./);
});

test('an abort ends pip and leaves nothing', async () => {
  const { downloadsDir, wheel, folder } = await withPip('exec /bin/sleep 30');
  const env = { PATH: join(folder, 'bin') };
  const aborter = new AbortController();
  const pip = await findPip(env);
  const started = performance.now();
  setTimeout(() => aborter.abort(new Error('stop')), 200);
  const run = downloadWheel(wheel, { pip, downloadsDir, env, signal: aborter.signal });
  await expect(run).rejects.toThrow('stop');
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(await readdir(downloadsDir)).toEqual([]);
});
