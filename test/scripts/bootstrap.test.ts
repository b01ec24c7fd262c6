import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

/**
 * A fresh clone in small: the real scripts, and an npm, a tsc and a tool that do just enough.
 *   npm ci    puts the compiler into node_modules/
 *   tsc       puts the tool into dist/; what esbuild bundles is left out
 *   setup     leaves the file "tensorflow", which locateRuntime() looks for
 */
const CLONE: Record<string, string> = {
  'package.json': '{ "type": "module", "engines": { "node": ">=20.19" } }',
  'package-lock.json': '{}',
  'src/cli.ts': '// version 1',
  'scripts/bundle-code.mjs': '',
  'scripts/bundle-tensorflow.mjs': '',
  'scripts/bundle-libjpeg.mjs': '',
  'scripts/build-wasm.mjs': '',
  'scripts/build-page.mjs': '',
  'npm.js': `
    import { mkdirSync, writeFileSync } from 'node:fs';
    if (process.env.BREAK === 'npm') { console.error('npm error ENOSPC'); process.exit(1); }
    mkdirSync('node_modules/typescript/bin', { recursive: true });
    writeFileSync('node_modules/typescript/package.json', '{ "type": "module" }');
    writeFileSync('node_modules/typescript/bin/tsc', "import '../../../tsc.js';");`,
  'tsc.js': `
    import { cpSync } from 'node:fs';
    if (process.env.BREAK === 'tsc') { console.log('src/cli.ts(1,1): error TS1'); process.exit(2); }
    cpSync('prebuilt', 'dist', { recursive: true });`,
  'prebuilt/runtime/locate-runtime.js': `
    import { existsSync } from 'node:fs';
    export async function locateRuntime() {
      return { platform: {}, cpu: existsSync('tensorflow') ? {} : undefined };
    }`,
  'prebuilt/runtime/operations.js': 'export function hasOperations() { return false; }',
  'prebuilt/runtime/addons.js': `
    import { existsSync } from 'node:fs';
    export function lacksAddons() { return !existsSync('addons'); }`,
  'prebuilt/cli.js': `
    import { writeFileSync } from 'node:fs';
    if (process.env.BREAK === 'setup') { console.error('Expected a network but found none.'); process.exit(2); }
    writeFileSync('tensorflow', '');
    writeFileSync('addons', '');`,
  'tools/python3': '#!/bin/sh\n',
  'tools/c++': '#!/bin/sh\n',
};

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'bootstrap-'));
  await cp(fileURLToPath(new URL('../../scripts', import.meta.url)), join(root, 'scripts'), {
    recursive: true,
  });
  for (const [name, text] of Object.entries(CLONE)) {
    await mkdir(join(root, name, '..'), { recursive: true });
    await writeFile(join(root, name), text, { mode: 0o755 });
  }
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

/** Runs the set-up; the time of a step is replaced by "…". */
function setUp(env: Record<string, string> = {}) {
  const script = `
    const { bootstrap } = await import('./scripts/bootstrap.mjs');
    await bootstrap(process.stdout).catch((error) => { console.log(error.message); process.exitCode = 2; });`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script],
    {
      cwd: root,
      encoding: 'utf8',
      env: { PATH: join(root, 'tools'), npm_execpath: join(root, 'npm.js'), ...env },
    },
  );
  expect(stderr).toBe('');
  const lines = stdout.trimEnd().replace(/in \d+\.\d s/g, 'in time');
  return { status, lines: lines.split('\n').map((line) => line.replace(/^.* \(.*\) … /, '')) };
}

test('a fresh clone is set up in three steps', () => {
  const done = 'done in time';
  expect(setUp()).toEqual({ status: 0, lines: [done, done, done] });
});

test('the command that is built can be executed, as what npm link makes leads to it', () => {
  setUp();
  expect(statSync(join(root, 'dist', 'cli.js')).mode & 0o111).toBe(0o111);
});

test('what is done is not done again', () => {
  setUp();
  const there = 'already there';
  expect(setUp()).toEqual({ status: 0, lines: [there, there, there] });
});

test('a changed source is built again, and nothing else', async () => {
  setUp();
  await writeFile(join(root, 'src', 'cli.ts'), '// version 2');
  expect(setUp().lines).toEqual(['already there', 'done in time', 'already there']);
});

test('a changed lock file installs and builds again', async () => {
  setUp();
  await writeFile(join(root, 'package-lock.json'), '{ "lockfileVersion": 3 }');
  expect(setUp().lines).toEqual(['done in time', 'done in time', 'already there']);
});

test('the addons of another version are built beside TensorFlow', async () => {
  setUp();
  await rm(join(root, 'addons'));
  expect(setUp().lines).toEqual(['already there', 'already there', 'done in time']);
});

test('a failed npm ci ends the set-up, shows what npm said and is tried again', () => {
  const { status, lines } = setUp({ BREAK: 'npm' });
  expect(status).toBe(2);
  expect(lines).toEqual(['failed', 'npm ci failed. It said:', 'npm error ENOSPC']);
  expect(setUp().status).toBe(0);
});

test('a failed build ends the set-up, shows what tsc said and is tried again', () => {
  const { status, lines } = setUp({ BREAK: 'tsc' });
  expect(status).toBe(2);
  expect(lines.slice(1)).toEqual([
    'failed',
    'The build failed. tsc said:',
    'src/cli.ts(1,1): error TS1',
  ]);
  expect(setUp().lines).toEqual(['already there', 'done in time', 'done in time']);
});

test('without a compiler it uses WebAssembly and says what to install', async () => {
  await rm(join(root, 'tools', 'c++'));
  const { status, lines } = setUp();
  expect(status).toBe(0);
  expect(lines[2]).toBe(
    'a C++ compiler is missing (apt-get install g++, or dnf install gcc-c++, or xcode-select --install): using the WebAssembly engine, which is several times slower',
  );
});

test('after a failed TensorFlow set-up it uses WebAssembly and shows why', () => {
  const { status, lines } = setUp({ BREAK: 'setup' });
  expect(status).toBe(0);
  expect(lines.slice(2)).toEqual([
    'failed: using the WebAssembly engine, which is several times slower. It said:',
    'Expected a network but found none.',
  ]);
});

test('an old Node gets one line that says which one is needed', async () => {
  await writeFile(
    join(root, 'package.json'),
    '{ "type": "module", "engines": { "node": ">=99.1" } }',
  );
  const { status, lines } = setUp();
  expect(status).toBe(2);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(`Expected Node.js 99.1 or newer but found ${process.versions.node}`);
});
