import { OptionError } from '../errors.ts';
import type { OutputStore } from '../storage/output-store.ts';

/** Every name that a run can publish; nothing else in the output is ever touched. */
const TOP_FILES = ['run.json', 'rejected.jsonl', 'reducer.npz', 'report.html', 'findings.jsonl'];
const PART_FOLDERS = ['parquet', 'json', 'csv', 'npy', 'feather'];
const PART_NAME = /^(part-\d{5,}\.[a-z]+|features\.csv|index\.jsonl|(cnn_)?vectors[\w.-]*\.npy)$/;

/**
 * Refuses to replace a table that no run of this output began. Asked before a run is laid out: once
 * it is, the output counts as its own.
 * @throws OptionError when there is such a table.
 */
export async function refuseForeignTable(output: OutputStore): Promise<void> {
  const [found] = await publishedNames(output);
  if (found === undefined) return;
  throw new OptionError(
    `Expected an output without a table for --out but found ${found} in ${output.target}.`,
    { fix: 'Name another folder, or give --overwrite to replace that table.' },
  );
}

/**
 * Makes room for a run's output. `_SUCCESS` goes first, so that nobody takes what is being replaced
 * for complete.
 *
 * @param replaced files that stay until others take their names
 */
export async function clearOutput(
  output: OutputStore,
  replaced: ReadonlySet<string> = new Set(),
): Promise<void> {
  for (const name of await publishedNames(output)) {
    if (!replaced.has(name)) await output.remove(name);
  }
}

/** What is there of a run's output, `_SUCCESS` first. */
export async function publishedNames(output: OutputStore): Promise<string[]> {
  const top = await output.list('');
  const names = ['_SUCCESS', ...TOP_FILES].filter((name) => top.includes(name));
  for (const folder of PART_FOLDERS) {
    const parts = (await output.list(folder)).filter((name) => PART_NAME.test(name));
    names.push(...parts.map((name) => `${folder}/${name}`));
  }
  return names;
}
