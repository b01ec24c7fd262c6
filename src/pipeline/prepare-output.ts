import { OptionError } from '../errors.ts';
import type { OutputStore } from '../export/output-store.ts';

/** Every name that a run can publish; nothing else in the output is ever touched. */
const TOP_FILES = ['run.json', 'rejected.jsonl', 'reducer.npz', 'report.html', 'findings.jsonl'];
const PART_FOLDERS = ['parquet', 'json', 'csv'];
const PART_NAME = /^(part-\d{5,}\.[a-z]+|features\.csv)$/;

/**
 * Makes room for a run's output. `_SUCCESS` goes first, so that nobody takes what is being replaced
 * for complete. A table that this run did not begin is only replaced when asked.
 * @throws OptionError when there is one and `overwrite` is off.
 */
export async function prepareOutput(
  output: OutputStore,
  { isFresh, overwrite }: { readonly isFresh: boolean; readonly overwrite: boolean },
): Promise<void> {
  const top = await output.list('');
  const names = top.filter((name) => TOP_FILES.includes(name));
  for (const folder of PART_FOLDERS) {
    const parts = (await output.list(folder)).filter((name) => PART_NAME.test(name));
    names.push(...parts.map((name) => `${folder}/${name}`));
  }
  if (isFresh && !overwrite && (names.length > 0 || top.includes('_SUCCESS'))) {
    throw new OptionError(
      `Expected an output without a table for --out but found ${names[0] ?? '_SUCCESS'} in ${output.target}.`,
      { fix: 'Name another folder, or give --overwrite to replace that table.' },
    );
  }
  await output.remove('_SUCCESS');
  for (const name of names) await output.remove(name);
}
