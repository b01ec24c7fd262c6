import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { resolveOptions } from '../../src/options/resolve-options.ts';
import { commandLine, quoted } from '../../src/report/command-line.ts';
import type { RunJson } from '../../src/run/run-json.ts';

function commandOf(raw: Record<string, unknown>, command = 'extract'): string {
  const options = resolveOptions({ input: 'images', mode: 'pixels', out: 'out', ...raw });
  return commandLine({ command, options } as unknown as RunJson, 'out');
}

test('a run with the defaults is told in short', () => {
  expect(commandOf({})).toBe('img2features images --mode pixels --out out');
});

test('every option that makes another table is named, with its own value', () => {
  const raw = {
    mode: 'cnn',
    model: 'models/mine',
    layer: 'avg_pool,fc1',
    k: 3,
    standardize: true,
    exclude: ['*_mask.png', 'raw/**'],
    limit: 7,
    maxBad: '5%',
    format: ['parquet', 'csv'],
    workers: 3,
    overwrite: true,
  };
  expect(commandOf(raw)).toBe(
    "img2features images --mode cnn --k 3 --layer avg_pool,fc1 --model models/mine --standardize --exclude '*_mask.png,raw/**' --limit 7 --format parquet,csv --max-bad 5% --out out",
  );
  expect(commandOf({ standardize: false })).toContain(' --no-standardize ');
  expect(commandOf({ seedCompat: true })).toContain(' --seed-compat --origin url ');
});

test('a transform takes from its run what that says', () => {
  const raw = { k: 3, resize: 'nearest', with: 'a run' };
  expect(commandOf(raw, 'transform')).toBe(
    "img2features transform images --with 'a run' --out out",
  );
});

test('a shell reads each word as it was', () => {
  const words = [
    "it's; rm -rf $HOME",
    'a b\tc',
    'line\nbreak\\',
    '\u{1f34e} "x" `y`',
    '-',
    '~',
    '\u0085',
  ];
  const script = `printf '%s\\0' ${words.map(quoted).join(' ')}`;
  const env = { LC_ALL: 'C.UTF-8' };
  const read = execFileSync('bash', ['-c', script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  expect(read.toString().split('\0').slice(0, -1)).toEqual(words);
});
