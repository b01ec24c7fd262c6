import { execFile } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { tempFolder } from '../e2e/run-cli.ts';

const SCRIPT = new URL('../../scripts/lib/python-environment.mjs', import.meta.url).href;

test('two runs that make the same Python environment at once both get it whole', async () => {
  const { dir, remove } = await tempFolder();
  try {
    const requirements = join(dir, 'requirements.txt');
    writeFileSync(requirements, '# nothing\n');
    const code = `const { pythonEnvironment } = await import('${SCRIPT}');
      process.stdout.write(pythonEnvironment('twice', ${JSON.stringify(requirements)}));`;
    const env = { ...process.env, IMG2FEATURES_CACHE: dir };
    const make = () =>
      promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { env });
    const [first, second] = await Promise.all([make(), make()]);
    expect(first.stdout).toBe(second.stdout);
    expect(existsSync(first.stdout)).toBe(true);
    await promisify(execFile)(first.stdout, ['-m', 'pip', '--version']);
    // The environment and the link to it: the one that came second is gone.
    expect(readdirSync(join(dir, 'test-venvs'))).toHaveLength(2);
  } finally {
    await remove();
  }
}, 120_000);
