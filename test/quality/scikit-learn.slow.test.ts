import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nearestClasses } from '../../src/quality/nearest.ts';
import { linearProbe } from '../../src/quality/probe.ts';
import { chooseSides } from '../../src/quality/sides.ts';
import { loadScript } from '../scripts/load-script.ts';
import { skipNow } from '../skip-if.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { numbers, type SampleOptions, samplePoints } from './sample.ts';

const { pythonEnvironment } = await loadScript('lib/python-environment.mjs');
const { signal } = new AbortController();

const CASES: Record<string, SampleOptions> = {
  'a split': { seed: 1, images: 900, dims: 12, classes: 8, tested: 0.3 },
  'five folds': { seed: 2, images: 600, dims: 10, classes: 6 },
  'two classes': { seed: 3, images: 400, dims: 7, classes: 2 },
  'many vectors equally far': {
    seed: 4,
    images: 900,
    dims: 4,
    classes: 5,
    tested: 0.4,
    isWhole: true,
  },
  'whole numbers by folds': { seed: 5, images: 500, dims: 4, classes: 4, isWhole: true },
  'more values than images': { seed: 6, images: 120, dims: 600, classes: 3 },
  'three views': { seed: 7, images: 300, dims: 9, classes: 5, views: 3, tested: 0.4 },
};

test('every class is the one that scikit-learn gives, equal distances included, and so are the folds', async (context) => {
  let python: string;
  try {
    const requirements = join(import.meta.dirname, '../docs/requirements.txt');
    python = pythonEnvironment('docs', requirements);
  } catch (error) {
    return skipNow(context, `scikit-learn cannot be installed: ${error}`);
  }
  const points = Object.values(CASES).map(samplePoints);
  const next = numbers(8);
  const targets = [7, 23, 104].map((n) => {
    return Array.from({ length: n * 5 }, () => Math.floor(n ** 0.5 * next()));
  });
  const path = join(await temporaryFolder(), 'points.json');
  const plain = points.map((of) => ({
    ...of,
    values: [...of.values],
    targets: [...of.targets],
    foldOf: [...of.foldOf],
  }));
  writeFileSync(path, JSON.stringify({ points: plain, targets }));
  const env = { ...process.env, OMP_NUM_THREADS: '1' };
  const script = join(import.meta.dirname, 'scikit_learn.py');
  const wanted = JSON.parse(
    execFileSync(python, [script, path], { env, encoding: 'utf8', maxBuffer: 1 << 28 }),
  );

  for (const [i, name] of Object.keys(CASES).entries()) {
    const nearest = await nearestClasses(points[i]!, signal);
    const found = nearest.map(({ predicted }) => [...predicted]);
    expect(found, `${name}: nearest neighbours`).toEqual(wanted.points[i].nearest);
    const kinds = points[i]!.views > 1 ? [false, true] : [false];
    for (const [at, isAugmented] of kinds.entries()) {
      const probe = await linearProbe(points[i]!, isAugmented, 1000, signal);
      expect(probe.isConverged).toBe(true);
      expect([...probe.predicted], `${name}: probe`).toEqual(wanted.points[i].probe[at]);
    }
  }
  for (const [i, of] of targets.entries()) {
    const classes = [...new Set(of)].map((target) => `class ${target}`);
    const place = new Map([...new Set(of)].map((target, at) => [target, at]));
    const sides = chooseSides({
      origins: of.map((target, row) => `${target}/${row}.png`),
      targets: Uint32Array.from(of, (target) => place.get(target)!),
      classes,
      splits: undefined,
    });
    expect(typeof sides === 'string' ? sides : [...sides.foldOf]).toEqual(wanted.folds[i]);
  }
}, 600_000);
