import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commandShapes } from '../../src/commands/command-shapes.ts';
import { complete } from '../../src/commands/completion-command.ts';
import { createCli, defineCommands } from '../../src/commands/create-cli.ts';
import { EXTRACT_OPTIONS } from '../../src/options/extract-options.ts';
import { flagName } from '../../src/options/option-keys.ts';
import { skipIf } from '../skip-if.ts';
import { recordingContext } from './recording-context.ts';

const shapes = commandShapes((cli) => defineCommands(cli, recordingContext().context, () => {}));
const words = (...line: string[]) => complete(line, shapes).map(({ word }) => word);

test('the first word is a command, or what the shell knows of files', () => {
  expect(words('')).toEqual(
    expect.arrayContaining(['extract', 'transform', 'doctor', 'model', 'completion']),
  );
  expect(words('doc')).toEqual(['doctor']);
  expect(words('./photos')).toEqual([]);
});

test('every option of a run is offered, with and without the word extract', () => {
  const all = [
    '--mode',
    '--out',
    '--log',
    '--config',
    ...Object.keys(EXTRACT_OPTIONS).map((key) => `--${flagName(key)}`),
  ];
  expect(words('--')).toEqual(expect.arrayContaining(all));
  expect(words('extract', 'photos', '--')).toEqual(expect.arrayContaining(all));
  expect(words('photos', '--mo')).toEqual(['--mode', '--model']);
});

test('an option that is given is not offered again', () => {
  expect(words('--mode', 'pixels', '--mo')).toEqual(['--model']);
});

test('the flags that are or may be on by default are offered with --no-, too', () => {
  expect(words('--no-')).toEqual([
    ...['--no-standardize', '--no-report', '--no-s3-path-style', '--no-color'],
  ]);
});

test('a command offers its own options only', () => {
  expect(words('setup', '--')).toEqual([
    '--gpu',
    '--force',
    '--log',
    '--no-color',
    '--help',
    '--version',
  ]);
  expect(words('model', 'init', 'vgg16', '--w')).toEqual(['--width']);
});

test('values of options with a few words are offered, as one word or two', () => {
  expect(words('--mode', '')).toEqual(['pixels', 'vgg16', 'cnn']);
  expect(words('--mode', 'v')).toEqual(['vgg16']);
  expect(words('--device', 'c')).toEqual(['cuda', 'cpu']);
  expect(words('doctor', '--device', 'w')).toEqual(['wasm']);
  expect(words('--mode=p')).toEqual(['--mode=pixels']);
  // bash cuts at the equals sign, and wants what stands after it.
  expect(words('--mode', '=', 'p')).toEqual(['pixels']);
  expect(words('--mode', '=')).toEqual(['pixels', 'vgg16', 'cnn']);
});

test('lists continue after a comma, each word once', () => {
  expect(words('--format', 'parquet,')).toEqual(
    ['json', 'csv', 'npy', 'feather'].map((f) => `parquet,${f}`),
  );
  expect(words('--format', 'a')).toEqual(['all']);
  expect(words('--format=npy,p')).toEqual(['--format=npy,parquet']);
});

test('a path and a number are left to the shell', () => {
  expect(words('--model', '')).toEqual([]);
  expect(words('--k', '')).toEqual([]);
});

test('below model its commands and architectures are offered', () => {
  expect(words('model', '')).toEqual(['init', 'convert', 'fetch', 'info']);
  expect(words('model', 'fetch', 'vgg')).toEqual(['vgg16', 'vgg19']);
  expect(words('completion', '')).toEqual(['bash', 'zsh', 'fish']);
});

test('every command shows a use in its help', () => {
  const all = shapes.flatMap((shape) => [shape, ...shape.commands]);
  expect(all.filter(({ examples }) => examples === 0).map(({ names }) => names)).toEqual([]);
});

test.each([
  [['setup', '--gpuu'], '--gpu'],
  [['doctor', '--jsonn'], '--json'],
  [['x', '--max-bda', '3'], '--max-bad'],
  [['x', '--colour'], '--color'],
])('%j: a wrong option gets one of any command suggested', async (argv, near) => {
  const { context } = recordingContext(...argv);
  await expect(createCli(context)).rejects.toMatchObject({ fix: expect.stringContaining(near) });
});

test('the shell gets one line for each word, with what it means', async () => {
  const { context, text } = recordingContext('--complete', 'transform', '--st');
  expect(await createCli(context)).toBe(0);
  expect(text.stdout).toMatch(/^--standardize\tScale each feature/);
});

test('scripts name the program, and another shell is refused', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { context, text } = recordingContext('completion', shell);
    await createCli(context);
    expect(text.stdout).toContain('img2features --complete');
  }
  await expect(createCli(recordingContext('completion', 'ksh').context)).rejects.toThrow(
    'Expected bash, zsh or fish for --shell but received "ksh".',
  );
});

const hasBash = isThere('bash');
const hasZsh = isThere('zsh');

describe('in the shells themselves', () => {
  let bin: string;
  beforeAll(() => {
    bin = mkdtempSync(join(tmpdir(), 'img2features-completion-'));
    const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
    writeFileSync(
      join(bin, 'img2features'),
      `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`,
    );
    chmodSync(join(bin, 'img2features'), 0o755);
  });
  afterAll(() => rmSync(bin, { recursive: true, force: true }));
  const run = (shell: string, script: string) =>
    execFileSync(shell, ['-c', script], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
    });

  test('bash completes options, values and commands', skipIf(!hasBash, 'no bash'), () => {
    const script = (line: string, at: number) =>
      `source <(img2features completion bash); COMP_WORDS=(img2features ${line}); COMP_CWORD=${at}; _img2features; printf '%s|' "\${COMPREPLY[@]}"`;
    expect(run('bash', script('photos --mod', 2))).toBe('--mode|--model|');
    expect(run('bash', script('photos --mode ""', 3))).toBe('pixels|vgg16|cnn|');
    expect(run('bash', script('do', 1))).toBe('doctor|');
    expect(run('bash', script('--model ""', 2))).toBe('|');
  });

  test('zsh reads its script', skipIf(!hasZsh, 'no zsh'), () => {
    expect(run('zsh', 'source <(img2features completion zsh); whence -w _img2features')).toMatch(
      /function/,
    );
  });
});

function isThere(shell: string): boolean {
  try {
    execFileSync(shell, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
