import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadScript } from '../scripts/load-script.ts';
import { skipIf } from '../skip-if.ts';

const { SPARK_VERSIONS, sparkPython, whyNoSpark } = await loadScript('lib/spark-environments.mjs');

const FOLDER = resolve('scripts/spark');
const SUITE_MS = 30 * 60_000;
/** Fewer than this and something was left out. */
const LEAST_TESTS = 110;

const lacking: string | undefined = whyNoSpark();

if (lacking !== undefined) {
  describe('spark: PySpark', () => test('the Python tests pass', skipIf(true, lacking), () => {}));
} else {
  // One after the other: an application takes 2 GB.
  describe.sequential.each(SPARK_VERSIONS as string[])('spark: PySpark %s', (version) => {
    test('the Python tests pass', { timeout: SUITE_MS }, async () => {
      const { status, output } = await pytest(sparkPython(version));
      expect(status, output).toBe(0);
      const passed = Number(/(\d+) passed/.exec(output)?.[1]);
      expect(passed, output).toBeGreaterThanOrEqual(LEAST_TESTS);
    });
  });
}

function pytest(python: string): Promise<{ status: number | null; output: string }> {
  return new Promise((done, fail) => {
    const child = spawn(python, ['-m', 'pytest', '--tb=short'], {
      cwd: FOLDER,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    child.on('error', fail);
    child.on('close', (status) => done({ status, output }));
  });
}
