import { OptionError } from '../errors.ts';
import type { RunRows } from '../findings/collect-rows.ts';
import type { Parts } from '../findings/leaks.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { keysForAllModes } from '../options/option-keys.ts';
import { firstOutput } from '../pipeline/describe-run.ts';
import type { RunJson } from '../run/run-json.ts';

/** A run that another is compared with. */
export interface OtherRun {
  readonly target: string;
  readonly run: RunJson;
  readonly rows: RunRows;
}

/**
 * The rows of both runs one after the other; reduced vectors are computed again for all, by one reducer.
 * @throws OptionError when their features cannot be compared
 */
export function joinRuns(
  target: string,
  run: RunJson,
  rows: RunRows,
  other: OtherRun,
): { readonly rows: RunRows; readonly parts: Parts } {
  const differences = differencesOf(run, other.run);
  if (rows.dims === 0 || rows.dims !== other.rows.dims) {
    differences.push('one table has no vectors, or vectors of another length');
  }
  if (differences.length > 0) {
    throw new OptionError(
      `Expected runs with the same features for --compare but found others in ${other.target}: ${differences.join('; ')}.`,
      {
        fix: `Make that table with the options of this one: img2features transform … --with ${target}`,
      },
    );
  }
  const count = rows.count + other.rows.count;
  const of = new Int8Array(count).fill(1);
  of.fill(0, rows.count);
  return {
    rows: {
      count,
      dims: rows.dims,
      k: 0,
      async *batches() {
        yield* rows.batches();
        yield* other.rows.batches();
      },
    },
    parts: { names: [other.target, target], of },
  };
}

function differencesOf(run: RunJson, other: RunJson): string[] {
  const facts = (of: RunJson): Record<string, unknown> => {
    const options = of.options as ExtractOptions;
    const given = ['mode', ...keysForAllModes('vectors')] as const;
    const model = of.model as { weightsSha256: string; preprocessing: string } | undefined;
    const { layer, pool } = firstOutput(of);
    const { weightsSha256, preprocessing } = model ?? {};
    return {
      ...Object.fromEntries(given.map((key) => [key, options[key]])),
      ...{ layer, pool, preprocessing, weightsSha256 },
    };
  };
  const [here, there] = [facts(run), facts(other)];
  return Object.keys(here)
    .filter((name) => here[name] !== there[name])
    .map((name) => `${name} is ${here[name]} here, ${there[name]} there`);
}
