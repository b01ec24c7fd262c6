/** `--split 80/10/10`: a split without leaks, made when the features are known and before the table is written. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RunError } from '../../errors.ts';
import { collectRows } from '../../findings/collect-rows.ts';
import { featureSpace } from '../../findings/feature-space.ts';
import { groupSameImages } from '../../findings/find-findings.ts';
import { defaultNear } from '../../findings/finding.ts';
import { previewReducer } from '../../findings/preview-reducer.ts';
import type { Reducer } from '../../reduce/reducer.ts';
import { pairByOrigin } from '../../run/compare-utf8.ts';
import { entriesOf, readManifest } from '../../run/manifest.ts';
import { SPLIT_FILE } from '../../run/promote-update.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import type { MadeSplit, Run } from '../run.ts';
import { storeRows } from '../run-rows.ts';
import { type AssignedSplits, assignSplits } from './assign-splits.ts';

const NAMES = { 2: ['train', 'test'], 3: ['train', 'val', 'test'] } as const;
/** In split.bin: an image without a row. */
const NONE = 255;

/**
 * Assigns each row to a split, stratified by class, with the images that the report calls copies or near copies of each other on
 * one side; see {@link assignSplits}. An update keeps the splits of the images that were there.
 */
export async function makeSplit(run: Run, reducers: readonly Reducer[]): Promise<MadeSplit> {
  const { options, manifest } = run;
  const shares = options.split!.split('/').map(Number);
  const names = NAMES[shares.length as keyof typeof NAMES];
  const source = storeRows(run, reducers);
  const reducer = reducers[0] ?? (await previewReducer(source, options.standardize));
  const space = reducer && featureSpace(reducer);
  const rows = await collectRows(source, reducer, space);
  const near = defaultNear(options.mode, space);
  const { groupOf, isComplete } = await groupSameImages({ source, rows, space, near });
  const before = await splitsBefore(run, source.indices);
  const { origins, targets } = rows;
  const assigned = assignSplits({
    ...{ shares, seed: options.seed, origins, targets, classes: rows.classes.length },
    ...{ groupOf, before },
  });
  const of = new Uint8Array(manifest.count).fill(NONE);
  source.indices.forEach((index, row) => {
    of[index] = assigned.of[row];
  });
  await writeDurably(join(run.dir, SPLIT_FILE), 'the splits', of);
  for (const message of describe(groupOf, assigned, {
    isComplete,
    isUpdate: run.update !== undefined,
  })) {
    run.onEvent({ event: 'note', message });
  }
  return { names, of };
}

/** For each row the split that the finished run gave it, or -1. */
async function splitsBefore(run: Run, indices: Uint32Array): Promise<Int8Array> {
  const before = new Int8Array(indices.length).fill(-1);
  if (run.update === undefined) return before;
  const workDir = dirname(run.update.dir);
  const path = join(workDir, SPLIT_FILE);
  const finished = await readManifest(join(workDir, 'manifest.jsonl'));
  const splits = existsSync(path) ? readFileSync(path) : undefined;
  if (splits?.length !== finished.count) {
    throw new RunError(
      `Expected the splits of the finished run in ${path} but found ${splits === undefined ? 'none' : 'others'}.`,
      {
        fix: 'Give --overwrite to compute the table again.',
      },
    );
  }
  const rowOf = new Map(Array.from(indices, (index, row) => [index, row]));
  let was = -1;
  let is = -1;
  for (const [old, now] of pairByOrigin(entriesOf(finished), entriesOf(run.manifest))) {
    if (old !== undefined) was++;
    if (now !== undefined) is++;
    if (old === undefined || now === undefined || splits[was] === NONE) continue;
    const row = rowOf.get(is);
    if (row !== undefined) before[row] = splits[was];
  }
  return before;
}

function describe(
  groupOf: Uint32Array,
  { moved }: AssignedSplits,
  { isComplete, isUpdate }: { readonly isComplete: boolean; readonly isUpdate: boolean },
): string[] {
  const sizes = new Map<number, number>();
  for (const first of groupOf) sizes.set(first, (sizes.get(first) ?? 0) + 1);
  const groups = [...sizes.values()].filter((size) => size > 1);
  const images = groups.reduce((sum, size) => sum + size, 0);
  const largest = groups.reduce((most, size) => Math.max(most, size), 1);
  return [
    `Split: ${images} images in ${groups.length} groups of copies and near copies stay together, the largest of ${largest}.`,
    ...(isComplete
      ? []
      : [
          'Split: the search for near copies ended at its limit: the closest pairs, which the report lists, stay together; others may be on two sides.',
        ]),
    ...(isUpdate && moved > 0
      ? [`Split: ${moved} images moved, as a new image is a near copy of images on two sides.`]
      : []),
  ];
}
