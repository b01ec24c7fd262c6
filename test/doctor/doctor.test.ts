/** The command as a user has it, on the real engines of this machine. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { CHECK_NAMES } from '../../src/doctor/check.ts';
import { locateRuntime } from '../../src/runtime/locate-runtime.ts';
import { runCli } from '../e2e/run-cli.ts';

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
  expect(status).toBe(report.status === 'problem' ? 1 : 0);
});

test('without a library it works on WebAssembly, warns, and says what sets it up', async () => {
  vi.stubEnv('IMG2FEATURES_CACHE', join(dir, 'empty-cache'));
  const { stdout, status } = await runCli(dir, 'doctor', '--model', 'tiny', '--no-color');
  vi.unstubAllEnvs();
  expect(status).toBe(0);
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
  expect(status).toBe(1);
  const { checks } = JSON.parse(stdout);
  expect(checks.gpu.status).toBe('problem');
  expect([checks.golden.status, checks.speed.status]).toEqual(['ok', 'ok']);
  expect(checks.speed.facts.measured).toBe(false);
});

test('colours come when asked for, and options that do not exist are refused', async () => {
  const painted = await runCli(dir, 'doctor', '--model', 'no-such', '--device', 'wasm', '--color');
  expect(painted.status).toBe(1);
  expect(painted.stdout).toContain('\x1b[31mproblem');
  const wrong = await runCli(dir, 'doctor', '--device', 'gpu');
  expect(wrong.stderr).toMatch(/^Expected auto, cuda, cpu or wasm for --device but received "gpu"/);
});
