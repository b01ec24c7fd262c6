/** The command as a user has it, on the real engines of this machine. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { CHECK_NAMES } from '../../src/doctor/check.ts';
import { checkS3 } from '../../src/doctor/check-s3.ts';
import { locateRuntime } from '../../src/runtime/locate-runtime.ts';
import { runCli } from '../e2e/run-cli.ts';
import { openTestStore, type TestStore, testOptions } from '../s3/store.ts';

let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'img2features-doctor-e2e-'));
  await runCli(dir, 'model', 'init', 'mobilenetv2', '--width', '0.35', '--no-top', '--out', 'tiny');
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('--json has every check by its name, and every engine gives Keras’ numbers', async () => {
  const { stdout, status, stderr } = await runCli(
    dir,
    'doctor',
    '--json',
    '--model',
    'tiny',
    '--out',
    'out',
  );
  expect(stderr).toBe('');
  const report = JSON.parse(stdout);
  expect(Object.keys(report.checks)).toEqual(CHECK_NAMES.filter((name) => name !== 's3'));
  expect(report.format).toBe(1);
  const { golden, speed, model, disk } = report.checks;
  const found = await locateRuntime();
  const engines = golden.facts.engines.map(
    (e: { device: string; engine: string }) => `${e.device} ${e.engine}`,
  );
  expect(engines).toEqual(
    expect.arrayContaining(found.cpu ? ['cpu graph', 'cpu eager', 'wasm eager'] : ['wasm eager']),
  );
  for (const { equal, error } of golden.facts.engines) {
    expect(equal).toBe(true);
    expect(error).toBeLessThan(1e-5);
  }
  expect(speed.facts).toMatchObject({ measured: true, builtInModel: false, model: 'mobilenetv2' });
  expect(speed.facts.imagesPerSecond).toBeGreaterThan(0);
  expect(model.facts).toMatchObject({ found: true, verified: true, trained: false });
  expect(disk.facts.out.writable).toBe(true);
  // Whatever is wrong comes with what to do.
  for (const { findings } of Object.values(report.checks) as {
    findings: { severity: string; fix?: string }[];
  }[]) {
    for (const { severity, fix } of findings) if (severity !== 'note') expect(fix).toBeTruthy();
  }
  expect(status).toBe({ ok: 0, note: 0, warning: 1, problem: 2 }[report.status as string]);
});

test('without a library it works on WebAssembly, warns, and says what sets it up', async () => {
  vi.stubEnv('IMG2FEATURES_CACHE', join(dir, 'empty-cache'));
  const { stdout, status } = await runCli(dir, 'doctor', '--model', 'tiny', '--no-color');
  vi.unstubAllEnvs();
  expect(status).toBe(1);
  expect(stdout).toMatch(/^warning {2}TensorFlow {2}not set up/m);
  expect(stdout).toContain('Run `img2features setup`');
  expect(stdout).toMatch(/1 of 1 engines give Keras' numbers/);
  expect(stdout).toMatch(/No problem, 1 warning\.\n$/);
  for (const line of stdout.split('\n')) {
    // Only a path or a hash may be longer than the terminal.
    expect(line.length <= 80 || !line.trim().includes(' ')).toBe(true);
  }
});

test('a device that cannot be had is one problem, not three', async () => {
  vi.stubEnv('CUDA_VISIBLE_DEVICES', '-1');
  const { stdout, status } = await runCli(
    dir,
    'doctor',
    '--device',
    'cuda',
    '--model',
    'tiny',
    '--json',
  );
  vi.unstubAllEnvs();
  expect(status).toBe(2);
  const { checks } = JSON.parse(stdout);
  expect(checks.gpu.status).toBe('problem');
  expect([checks.golden.status, checks.speed.status]).toEqual(['ok', 'ok']);
  expect(checks.speed.facts.measured).toBe(false);
});

test('colours come when asked for, and options that do not exist are refused', async () => {
  const painted = await runCli(dir, 'doctor', '--model', 'no-such', '--device', 'wasm', '--color');
  expect(painted.status).toBe(2);
  expect(painted.stdout).toContain('\x1b[31mproblem');
  const wrong = await runCli(dir, 'doctor', '--device', 'gpu');
  expect(wrong.stderr).toMatch(/^Expected auto, cuda, cpu or wasm for --device but received "gpu"/);
});

const store: TestStore | undefined = await openTestStore('full', 'empty');
afterAll(() => store?.stop());

describe.skipIf(!store)('the store', () => {
  const { signal } = new AbortController();
  const options = () => testOptions(store!.endpoint, { patienceMs: 2000 });

  test('lists one key of what can be reached, and says where nothing is yet', async () => {
    await store!.put('full', 'images/a/1.jpg', 'x');
    const check = await checkS3(['s3://full/images', 's3://empty/'], options(), signal);
    expect(check.status).toBe('ok');
    expect(check.facts.addresses).toMatchObject([
      { reachable: true, firstKey: 'images/a/1.jpg' },
      { reachable: true, firstKey: null },
    ]);
  });

  test('no bucket, a refused key, no credentials and no server are four different errors', async () => {
    const messages: string[] = [];
    const ask = async (url: string, endpoint = store!.endpoint) => {
      const { findings } = await checkS3([url], { ...options(), endpoint }, signal);
      expect(findings).toHaveLength(1);
      expect(findings[0]).toMatchObject({ severity: 'problem', fix: expect.stringMatching(/./) });
      messages.push(findings[0]!.message);
    };
    await ask('s3://no-such-bucket-here/x');
    await ask('s3://full/x', 'http://127.0.0.1:9');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wrong');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'nobody');
    if (store!.kind === 'versitygw') await ask('s3://full/x');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', '');
    vi.stubEnv('AWS_ACCESS_KEY_ID', '');
    await ask('s3://full/x');
    vi.unstubAllEnvs();
    expect(messages[0]).toMatch(/no bucket no-such-bucket-here/);
    expect(messages.at(-1)).toMatch(/no credentials/);
    expect(new Set(messages.map((message) => message.replace(/s3:\/\/\S+/, ''))).size).toBe(
      messages.length,
    );
  });
});
