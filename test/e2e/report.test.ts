import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import type { Quality } from '../../src/quality/read-figures.ts';
import type { PageData } from '../../src/report/page-data.ts';
import { formatDuration } from '../../src/terminal/units.ts';
import { readRunJson } from './read-table.ts';
import { listFiles, runInProcess, tempFolder } from './run-cli.ts';

const DRAWN = { imagesPerClass: 6, minSize: 24, maxSize: 40, withBroken: false };

let dir: string;
let remove: () => Promise<void>;
let told: string;

/** Two parts; `Test` holds a copy of an image of `Training`, under another class. */
beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'dataset', 'Training'), { ...DRAWN, seed: 1 });
  await writeDataset(join(dir, 'dataset', 'Test'), { ...DRAWN, seed: 2, imagesPerClass: 2 });
  const [first] = listFiles(join(dir, 'dataset', 'Training', 'circle'));
  const copy = join(dir, 'dataset', 'Test', 'stripes', 'leaked.jpg');
  mkdirSync(dirname(copy), { recursive: true });
  copyFileSync(join(dir, 'dataset', 'Training', 'circle', first!), copy);
  const formats = ['--format', 'parquet,json'];
  const run = await runInProcess(
    dir,
    'dataset',
    '--mode',
    'pixels',
    '--k',
    '5',
    '--out',
    'out',
    ...formats,
  );
  expect(run.stderr).not.toContain('Warning');
  expect(run.status).toBe(0);
  told = run.stdout;
});
afterAll(() => remove());

interface Line {
  readonly kind: string;
  readonly origins: readonly string[];
  readonly evidence: Readonly<Record<string, unknown>>;
}

function findings(out = 'out'): Line[] {
  const text = readFileSync(join(dir, out, 'findings.jsonl'), 'utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

function pageData(out = 'out'): PageData {
  const html = readFileSync(join(dir, out, 'report.html'), 'utf8');
  return JSON.parse(/id="data">(.*)<\/script>/.exec(html)![1]!);
}

test('a run finds the copy: exact, in two classes, and leaked from Training to Test', () => {
  const found = findings().filter(({ origins }) => origins.some((name) => name.includes('leaked')));
  expect(found.map(({ kind }) => kind)).toEqual(['leak', 'two_classes', 'exact_duplicate']);
  expect(found[0]!.evidence).toMatchObject({ parts: ['Test', 'Training'], match: 'same_bytes' });
});

test('run.json counts what findings.jsonl lists, and lists both files', () => {
  const run = readRunJson(join(dir, 'out')) as {
    findings: { counts: Record<string, { findings: number }> };
    files: { name: string }[];
  };
  for (const [kind, { findings: n }] of Object.entries(run.findings.counts)) {
    expect(findings().filter((line) => line.kind === kind)).toHaveLength(n);
  }
  expect(run.files.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['findings.jsonl', 'report.html']),
  );
});

test('the page holds every row, with its class and picture', () => {
  const { points, classes, classCounts, thumbs } = pageData();
  expect(points.count).toBe(49);
  expect(classCounts.reduce((sum, n) => sum + n, 0)).toBe(49);
  expect(classes).toContain('circle');
  expect(thumbs).toMatchObject({ kind: 'pixels', side: 10, bytes: 49 * 300 });
});

test('the command of the page, read by a shell, makes the same table', async () => {
  const odd = join(dir, "it's; a $HOME");
  await writeDataset(odd, { ...DRAWN, seed: 9 });
  const options = ['--resize', 'nearest', '--no-standardize', '--k', '3', '--exclude', '*-1.*'];
  const made = await runInProcess(dir, odd, '--mode', 'pixels', ...options, '--out', 'odd out');
  expect(made.status).toBe(0);
  const { command } = pageData('odd out');
  const table = () => readFileSync(join(dir, 'odd out', 'parquet', 'part-00000.parquet'));
  const before = table();
  rmSync(join(dir, 'odd out'), { recursive: true });
  const print = ['-c', `printf '%s\\0' ${command}`];
  const words = execFileSync('bash', print, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [program, ...args] = words.toString().split('\0').slice(0, -1);
  expect(program).toBe('img2features');
  expect((await runInProcess(dir, ...args)).status).toBe(0);
  expect(table().equals(before)).toBe(true);
});

test('the page, run.json and the terminal tell the same times', async () => {
  const options = ['--mode', 'pixels', '--k', '5', '--out', 'timed'];
  const { stdout } = await runInProcess(dir, 'dataset', ...options);
  const { stagesMs } = readRunJson(join(dir, 'timed')) as { stagesMs: Record<string, number> };
  expect(pageData('timed').run.stagesMs).toEqual(stagesMs);
  expect(stagesMs.report).toBeGreaterThan(0);
  expect(stdout).toContain(` in ${formatDuration(stagesMs.total!)} (`);
  expect(stdout).toContain(`, report ${formatDuration(stagesMs.report!)}\n`);
});

test('the run verifies, before and after its report is written again', async () => {
  expect((await runInProcess(dir, 'verify', 'out')).status).toBe(0);
  const before = readFileSync(join(dir, 'out', 'findings.jsonl'));
  const again = await runInProcess(dir, 'report', 'out');
  expect(again.status).toBe(0);
  expect(again.stdout).toContain('1 image also in another part (leaks)');
  // Written again it takes the time to read the images: larger pictures than the table's.
  expect(pageData().thumbs).toMatchObject({ kind: 'sheets', side: 160 });
  expect(readFileSync(join(dir, 'out', 'findings.jsonl')).equals(before)).toBe(true);
  expect((await runInProcess(dir, 'verify', 'out')).stdout).toContain('is sound');
});

test.each(['json', 'csv'])('from a table of %s alone the same kinds are found', async (format) => {
  const options = ['--mode', 'pixels', '--k', '5', '--format', format, '--out', `out-${format}`];
  expect((await runInProcess(dir, 'dataset', ...options)).status).toBe(0);
  expect((await runInProcess(dir, 'report', `out-${format}`)).status).toBe(0);
  const kinds = (out: string) => findings(out).map(({ kind, origins }) => [kind, ...origins]);
  const exact = (out: string) => kinds(out).filter(([kind]) => kind !== 'near_duplicate');
  expect(exact(`out-${format}`)).toEqual(exact('out'));
});

test('two folders of any name can be compared', async () => {
  const run = await runInProcess(dir, 'report', 'out', '--compare', 'circle', 'stripes');
  expect(run.status).toBe(0);
  expect(findings()[0]).toMatchObject({
    kind: 'leak',
    evidence: { parts: ['stripes', 'circle'], match: 'same_bytes' },
  });
});

test('a folder without images cannot be compared', async () => {
  const run = await runInProcess(dir, 'report', 'out', '--compare', 'circle', 'nowhere');
  expect(run.status).toBe(2);
  expect(run.stderr).toContain('Expected images in a folder nowhere for --compare');
});

test('another run can be compared', async () => {
  const options = ['--mode', 'pixels', '--k', '5', '--out', 'train'];
  expect((await runInProcess(dir, join('dataset', 'Training'), ...options)).status).toBe(0);
  expect(
    (
      await runInProcess(
        dir,
        join('dataset', 'Test'),
        '--mode',
        'pixels',
        '--k',
        '5',
        '--out',
        'test',
      )
    ).status,
  ).toBe(0);
  expect((await runInProcess(dir, 'report', 'test', '--compare', 'train')).status).toBe(0);
  expect(findings('test')).toMatchObject([
    {
      kind: 'leak',
      origins: [
        'dataset/Test/stripes/leaked.jpg',
        expect.stringMatching(/^dataset\/Training\/circle\//),
      ],
      evidence: { parts: ['test', 'train'] },
    },
  ]);
  expect((await runInProcess(dir, 'verify', 'test')).status).toBe(0);
});

test('a run with other features cannot be compared, and the message says in what', async () => {
  const options = ['--mode', 'pixels', '--resize', 'nearest', '--out', 'nearest', '--no-report'];
  expect((await runInProcess(dir, 'dataset', ...options)).status).toBe(0);
  const run = await runInProcess(dir, 'report', 'out', '--compare', 'nearest');
  expect(run.status).toBe(2);
  expect(run.stderr).toContain('resize is bicubic here, nearest there');
});

test('--no-report leaves neither file', () => {
  expect(listFiles(join(dir, 'nearest')).filter((name) => /findings|report/.test(name))).toEqual(
    [],
  );
});

test('what is no finished run has no report', async () => {
  const run = await runInProcess(dir, 'report', 'dataset');
  expect(run.status).toBe(2);
  expect(run.stderr).toContain('Expected a finished run for report but found nothing in dataset.');
});

test('--compare with neither folders nor a run says what it takes', async () => {
  const run = await runInProcess(dir, 'report', 'out', '--compare', 'Training');
  expect(run.status).toBe(2);
  expect(run.stderr).toContain(
    'Expected two folders of the images, or a finished run, for --compare',
  );
});

test('a table without features has no report', async () => {
  const options = ['--mode', 'pixels', '--columns', 'origin,target', '--out', 'names'];
  expect((await runInProcess(dir, 'dataset', ...options)).status).toBe(0);
  const run = await runInProcess(dir, 'report', 'names');
  expect(run.status).toBe(2);
  expect(run.stderr).toContain('Expected a table with origins and features but found no features');
});

test('--near is checked', async () => {
  const run = await runInProcess(dir, 'report', 'out', '--near', 'close');
  expect(run.status).toBe(2);
  expect(run.stderr).toContain('Expected a number from 0 to 1 for --near but received "close".');
});

test('pictures can be made again from the images', async () => {
  expect((await runInProcess(dir, 'report', 'out', '--thumbnails', '20')).status).toBe(0);
  const { thumbs } = pageData();
  expect(thumbs).toMatchObject({ kind: 'sheets', side: 160 });
  expect(Buffer.from(thumbs.points, 'base64').length / 4).toBe(20);
  expect([...Buffer.from(thumbs.data[0]!, 'base64').subarray(0, 3)]).toEqual([0xff, 0xd8, 0xff]);
});

test('a run without components has a map all the same, fitted for it', async () => {
  const run = await runInProcess(dir, 'dataset', '--mode', 'pixels', '--k', '0', '--out', 'k0');
  expect(run.status).toBe(0);
  expect(pageData('k0').points.layers).toMatchObject([{ label: 'pixels', k: 10 }]);
  expect(findings('k0').map(({ kind }) => kind)).toContain('leak');
});

test('the images may be gone: copies are then told by their features', async () => {
  const options = ['--mode', 'pixels', '--k', '5', '--out', 'moved'];
  await writeDataset(join(dir, 'passing'), { ...DRAWN, seed: 3 });
  const [first] = listFiles(join(dir, 'passing', 'circle'));
  copyFileSync(join(dir, 'passing', 'circle', first!), join(dir, 'passing', 'circle', 'z.jpg'));
  expect((await runInProcess(dir, 'passing', ...options)).status).toBe(0);
  expect(findings('moved')[0]!.kind).toBe('exact_duplicate');
  rmSync(join(dir, 'passing'), { recursive: true });
  expect((await runInProcess(dir, 'report', 'moved')).status).toBe(0);
  expect(findings('moved')[0]).toMatchObject({
    kind: 'same_features',
    evidence: { bytes: 'not all could be read' },
  });
  expect(pageData('moved').thumbs.kind).toBe('pixels');
});

test('a report that cannot be written costs the run nothing but a warning', async () => {
  mkdirSync(join(dir, 'blocked', 'report.html'), { recursive: true });
  writeFileSync(join(dir, 'blocked', 'report.html', 'x'), '');
  const run = await runInProcess(dir, 'dataset', '--mode', 'pixels', '--out', 'blocked');
  expect(run.stderr).toContain('Warning: The report was not written');
  expect(run.status).toBe(0);
  expect(listFiles(join(dir, 'blocked'))).not.toContain('findings.jsonl');
  expect((await runInProcess(dir, 'verify', 'blocked')).status).toBe(0);
});

test('an empty table has an empty page', async () => {
  mkdirSync(join(dir, 'none', 'a'), { recursive: true });
  writeFileSync(join(dir, 'none', 'a', 'bad.jpg'), 'no image');
  const run = await runInProcess(dir, 'none', '--mode', 'pixels', '--out', 'out-none');
  expect(run.stderr).not.toContain('Warning');
  expect(pageData('out-none').rejected).toMatchObject([{ origin: 'none/a/bad.jpg' }]);
});

test('quality stands in run.json, on the page and in the terminal, and a report made again finds the same', async () => {
  const qualityOf = () => readRunJson(join(dir, 'out')).quality as Quality;
  const quality = qualityOf();
  expect(quality).toMatchObject({ by: 'split', train: 'Training', test: 'Test', copied: 1 });
  for (const { tested, withoutCopies } of quality.figures) {
    expect(withoutCopies.tested).toBe(tested - 1);
  }
  const { correct, tested } = quality.figures[quality.headline]!;
  expect(told).toContain(
    `Quality: ${((100 * correct) / tested).toFixed(1)}% of ${tested} images of Test`,
  );
  expect(pageData().quality).toMatchObject({
    ...quality,
    classNames: [...pageData().classes].sort(),
  });
  expect((await runInProcess(dir, 'report', 'out', '--quality', 'off')).status).toBe(0);
  expect([qualityOf(), pageData().quality]).toEqual([undefined, undefined]);
  expect((await runInProcess(dir, 'report', 'out')).status).toBe(0);
  expect(qualityOf()).toEqual(quality);
});
