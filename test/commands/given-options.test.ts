import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCli } from '../../src/commands/create-cli.ts';
import { givenOptions } from '../../src/commands/given-options.ts';
import { writeRunJson } from '../pipeline/finished-run.ts';
import { contextWith, recordingContext } from './recording-context.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'img2features-config-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function config(content: unknown): string {
  const path = join(dir, `${Math.random().toString(36).slice(2)}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

test('the command line goes before the file, the file before the environment', () => {
  const path = config({ k: 20, 'max-bad': '5%', workers: 1 });
  const env = { IMG2FEATURES_K: '30', IMG2FEATURES_WORKERS: '2', IMG2FEATURES_LIMIT: '7' };
  const given = givenOptions({ config: path, k: '10' }, env);
  expect(given).toMatchObject({ k: '10', workers: 1, maxBad: '5%', limit: '7' });
});

test('a file may write options as flags or as the library does, and be named by the environment', () => {
  const path = config({ maxBad: 3, '--image-timeout': 5 });
  expect(givenOptions({}, { IMG2FEATURES_CONFIG: path })).toMatchObject({
    maxBad: 3,
    imageTimeout: 5,
  });
});

test.each(['utf8', 'utf16le', 'utf16be'] as const)(
  'a file in %s with a byte-order mark is read',
  (encoding) => {
    const bytes = Buffer.from('\ufeff{"k": 7}', encoding === 'utf8' ? 'utf8' : 'utf16le');
    const path = join(dir, `${encoding}.json`);
    writeFileSync(path, encoding === 'utf16be' ? bytes.swap16() : bytes);
    expect(givenOptions({ config: path }, {})).toMatchObject({ k: 7 });
  },
);

test('an empty variable says nothing', () => {
  expect(givenOptions({}, { IMG2FEATURES_K: '' }).k).toBeUndefined();
});

test('a variable that means nothing to the mode is left alone; one of the command line is not', () => {
  const env = { IMG2FEATURES_DEVICE: 'cpu', IMG2FEATURES_WORKERS: '2' };
  const pixels = givenOptions({ mode: 'pixels' }, env);
  expect([pixels.device, pixels.workers]).toEqual([undefined, '2']);
  expect(givenOptions({ mode: 'vgg16' }, env).device).toBe('cpu');
  expect(givenOptions({}, { ...env, IMG2FEATURES_MODE: 'cnn' }).device).toBe('cpu');
  expect(givenOptions({ mode: 'pixels', device: 'cpu' }, env).device).toBe('cpu');
  // doctor has no mode: it looks at the device all the same.
  expect(givenOptions({}, env, ['device']).device).toBe('cpu');
});

test('a variable that means nothing to the mode of the run in --with is left alone', async () => {
  await writeRunJson(dir, { options: { mode: 'pixels' } });
  for (const name of ['_SUCCESS', 'reducer.npz']) writeFileSync(join(dir, name), '');
  const env = { IMG2FEATURES_DEVICE: 'cpu', IMG2FEATURES_WORKERS: 'soon' };
  const { context } = contextWith(env, 'transform', 'images', '--with', dir, '--out', 'x');
  await expect(createCli(context)).rejects.toThrow('for --workers but received "soon"');
});

test('a key that no option has is an error that suggests one', () => {
  const path = config({ 'max-bda': 3 });
  expect(() => givenOptions({ config: path }, {})).toThrow(
    expect.objectContaining({
      message: `Expected options that exist in ${path} but found "max-bda".`,
      fix: 'Did you mean "max-bad"?',
    }),
  );
  expect(() => givenOptions({ config: config({ zzzzzzzzzz: 1 }) }, {})).toThrow(
    expect.objectContaining({ fix: expect.stringContaining('--help lists them') }),
  );
});

test('a file that is not there, not JSON or not an object is named', () => {
  expect(() => givenOptions({ config: join(dir, 'none.json') }, {})).toThrow(
    /^Expected a file for --config but found nothing at .*none\.json\.$/,
  );
  expect(() => givenOptions({ config: config('{k: 1}') }, {})).toThrow(
    /^Expected JSON in .*\.json \(--config\) but found /,
  );
  expect(() => givenOptions({ config: config([1]) }, {})).toThrow(/Expected an object in/);
});

test('a file for runs serves verify and doctor too, which take their part of it', async () => {
  const path = config({ mode: 'pixels', k: 20, 's3-timeout': 'soon' });
  for (const command of [['verify', dir], ['doctor'], ['transform', dir, '--with', 'x']]) {
    await expect(
      createCli(recordingContext(...command, '--config', path).context),
      command[0],
    ).rejects.toThrow('Expected a number above 0 for --s3-timeout but received "soon".');
  }
});

test.each([
  [['verify', '.']],
  [['doctor']],
  [['images', '--mode', 'pixels', '--out', 'x']],
  [['transform', 'images', '--with', 'x']],
  [['worker', '--mode', 'pixels']],
  [['report', '.']],
])('%j takes variables of the environment', async (argv) => {
  const { context } = contextWith({ IMG2FEATURES_S3_TIMEOUT: 'soon' }, ...argv);
  await expect(createCli(context)).rejects.toThrow('--s3-timeout');
});

test('quiet can be said as a run says flags anywhere', async () => {
  const { context } = contextWith(
    { IMG2FEATURES_QUIET: 'perhaps' },
    'x',
    '--mode',
    'pixels',
    '--out',
    'y',
  );
  await expect(createCli(context)).rejects.toThrow('Expected true or false for --quiet');
});

test('a misspelt variable is an error that suggests one; those of others are left alone', () => {
  expect(() => givenOptions({}, { IMG2FEATURES_WORKRES: '2' })).toThrow(
    expect.objectContaining({
      message: 'Expected variables of options that exist but found IMG2FEATURES_WORKRES.',
      fix: expect.stringContaining('Did you mean IMG2FEATURES_WORKERS'),
    }),
  );
  const others = {
    IMG2FEATURES_NODE: 'x',
    IMG2FEATURES_CACHE: 'x',
    IMG2FEATURES_ZZZZZZZZZZZZ: 'x',
  };
  expect(givenOptions({}, others)).toMatchObject({});
});
