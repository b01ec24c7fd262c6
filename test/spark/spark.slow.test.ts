import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadScript } from '../scripts/load-script.ts';
import { skipIf } from '../skip-if.ts';

const { startS3Server } = await loadScript('../test/s3/s3-server.mjs');
const { SPARK_VERSIONS, sparkPython, whyNoSpark } = await loadScript(
  '../test/spark/spark-environments.mjs',
);

const FOLDER = resolve('test/spark');
const SUITE_MS = 30 * 60_000;
const isLong = process.env.IMG2FEATURES_SPARK === 'long';
/** One release in full, the others in their short form unless all is asked for; fewer tests and something was left out. */
const FORMS = new Map(
  (SPARK_VERSIONS as string[]).map((version, i) =>
    i === 0 || isLong
      ? [version, { form: isLong ? 'long' : 'full', least: 110 }]
      : [version, { form: 'short', least: 78 }],
  ),
);

const lacking: string | undefined = whyNoSpark();

if (lacking !== undefined) {
  describe('spark: PySpark', () => test('the Python tests pass', skipIf(true, lacking), () => {}));
} else {
  // One after the other: an application takes 2 GB.
  describe.sequential.each([...FORMS])('spark: PySpark %s', (version, { form, least }) => {
    test('the Python tests pass', { timeout: SUITE_MS }, async () => {
      const server = await startS3Server();
      const env = server && {
        TEST_S3_ENDPOINT: server.endpoint,
        AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
        AWS_EC2_METADATA_DISABLED: 'true',
      };
      const { status, output } = await pytest(sparkPython(version), form, env).finally(() =>
        server?.stop(),
      );
      expect(status, output).toBe(0);
      const summary = output.trimEnd().split('\n').at(-1);
      process.stderr.write(
        `PySpark ${version}, ${form} form (all: npm run test:spark): ${summary}\n`,
      );
      const passed = Number(/(\d+) passed/.exec(output)?.[1]);
      expect(passed, output).toBeGreaterThanOrEqual(least);
    });
  });
}

function pytest(
  python: string,
  form: string,
  more: Record<string, string>,
): Promise<{ status: number | null; output: string }> {
  return new Promise((done, fail) => {
    const child = spawn(python, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', '--tb=short'], {
      cwd: FOLDER,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...more, IMG2FEATURES_SPARK: form, PYTHONDONTWRITEBYTECODE: '1' },
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
