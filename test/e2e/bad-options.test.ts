import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli, tempFolder } from './run-cli.ts';

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeFile(join(dir, 'notes.txt'), '');
});
afterAll(() => remove());

test.each([
  ['no mode', '. --out out', 'Expected pixels, vgg16 or cnn for --mode'],
  ['a wrong mode', '. --mode pixel --out out', '--mode but received "pixel"'],
  ['no output', '. --mode pixels', 'Expected a folder for the table for --out'],
  ['a wrong k', '. --mode pixels --out out --k ten', '--k but received "ten"'],
  ['a wrong format', '. --mode pixels --out out --format xlsx', '--format but received "xlsx"'],
  ['a wrong share', '. --mode pixels --out out --max-bad 5x', '--max-bad but received "5x"'],
  ['a wrong option for the mode', '. --mode pixels --out out --layer fc2', '--layer only with'],
  ['an unknown option', '. --mode pixels --out out --colour', 'colour'],
  ['a missing input', 'absent --mode pixels --out out', 'absent'],
])('%s ends with exit status 2 and one message that names it', async (_what, line, named) => {
  const { status, stdout, stderr } = await runCli(dir, ...line.split(' '));
  expect(stderr).toContain(named);
  expect(stderr).not.toMatch(/^ {4}at /m); // no stack
  expect(status).toBe(2);
  expect(stdout).toBe('');
});
