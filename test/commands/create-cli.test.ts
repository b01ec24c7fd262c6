import { expect, onTestFinished, test, vi } from 'vitest';
import { createCli } from '../../src/commands/create-cli.ts';
import { recordingContext } from './recording-context.ts';

test.each([
  [['transfrom', 'new', '--with', 'features', '--out', 'x'], 'img2features transform?'],
  [['docter'], 'img2features doctor?'],
  [['verfy', 'features'], 'img2features verify?'],
  [['fetch', 'vgg16'], 'img2features model fetch?'],
])('%j: a first word that is no command and no input gets a suggestion', async (argv, fix) => {
  await expect(createCli(recordingContext(...argv).context)).rejects.toMatchObject({
    message: `Expected a command or an input that exists but found ${argv[0]}.`,
    fix: expect.stringContaining(`Did you mean ${fix}`),
  });
});

test('a folder with almost the name of a command is an input', async () => {
  // `models` is a folder of this repository, where tests run.
  const argv = ['models', '--out', 'x'];
  await expect(createCli(recordingContext(...argv).context)).rejects.toThrow('for --mode');
});

test('an option that another command takes is refused without a suggestion', async () => {
  const argv = ['worker', '--mode', 'pixels', '--views', '4'];
  await expect(createCli(recordingContext(...argv).context)).rejects.toMatchObject({
    message: 'Expected options that this command takes but received --views.',
    fix: 'img2features --help lists what can be given.',
  });
});

/** The text of --help, which yargs prints by itself; lines joined, as their breaks depend on the width. */
async function help(...argv: string[]): Promise<string> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  onTestFinished(() => log.mockRestore());
  await createCli(recordingContext(...argv, '--help').context);
  return String(log.mock.calls.at(-1)).replace(/\s+/g, ' ');
}

test.each([
  ['resize', '[bicubic, bilinear, nearest]'],
  ['exif', '[ignore, apply]'],
  ['device', '[auto, cuda, cpu, wasm]'],
  ['engine', '[auto, graph, eager]'],
  ['conv', '[auto, fused, winograd, direct]'],
  ['precision', '[fp32, tf32, bf16, fp16]'],
  ['pool', 'none (flatten), avg or max'],
  ['format', 'all, or some of parquet, json, csv, npy, feather'],
])('help shows what --%s takes', async (option, values) => {
  const text = await help();
  expect(text.slice(text.indexOf(`--${option} `)).slice(0, 200)).toContain(values);
});

test('help of transform shows what is needed and what is taken over from the run', async () => {
  const text = await help('transform');
  expect(text).toContain('--with Needed: the --out of a finished run');
  for (const option of ['mode', 'layer', 'resize', 'precision']) {
    const from = text.slice(text.indexOf(`--${option} `));
    expect(/\[default: (.*?)\]/.exec(from)?.[1], option).toBe('as in --with');
  }
  expect(text).not.toContain('--refit');
});
