import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadScript } from './load-script.ts';

const { missingTools } = await loadScript('lib/find-tools.mjs');
let bin: string;

beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), 'find-tools-'));
});
afterEach(async () => {
  await rm(bin, { recursive: true });
});

async function addTool(name: string, script = 'exit 0'): Promise<void> {
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, name), 0o755);
}

test('an empty PATH lacks both tools, each with what to install on three systems', () => {
  expect(missingTools({ PATH: '' })).toEqual([
    'Python 3 with pip is missing (apt-get install python3 python3-pip, or dnf install python3 python3-pip, or brew install python)',
    'a C++ compiler is missing (apt-get install g++, or dnf install gcc-c++, or xcode-select --install)',
  ]);
});

test('the package manager that is there names the one command', async () => {
  await addTool('dnf');
  expect(missingTools({ PATH: bin })).toEqual([
    'Python 3 with pip is missing (dnf install python3 python3-pip)',
    'a C++ compiler is missing (dnf install gcc-c++)',
  ]);
});

test('nothing is missing where Python has pip and a compiler is there', async () => {
  await addTool('python3');
  await addTool('g++');
  expect(missingTools({ PATH: bin })).toEqual([]);
});

test('a Python without pip is not enough', async () => {
  await addTool('python3', 'echo "No module named pip" >&2; exit 1');
  await addTool('c++');
  await addTool('apt-get');
  expect(missingTools({ PATH: bin })).toEqual([
    'Python 3 with pip is missing (apt-get install python3 python3-pip)',
  ]);
});

test('a compiler link that leads nowhere is not a compiler', async () => {
  await addTool('python3');
  await symlink(join(bin, 'gone'), join(bin, 'c++'));
  expect(missingTools({ PATH: bin })).toHaveLength(1);
});
