import { SINK_FORMATS } from './open-sinks.ts';
import type { OutputStore } from './output-store.ts';

/**
 * Removes what an earlier run published, `_SUCCESS` first, so that the output never looks complete
 * while a new run writes into it, and no part of a longer run stays behind. Files of others are left alone.
 */
export async function clearOutput(store: OutputStore): Promise<void> {
  for (const name of ['_SUCCESS', 'run.json', 'report.html', 'rejected.jsonl', 'reducer.npz']) {
    await store.remove(name);
  }
  for (const format of SINK_FORMATS) {
    for (const name of await store.list(format)) {
      if (/^(part-\d{5,}|features)\.\w+$/.test(name)) await store.remove(`${format}/${name}`);
    }
  }
}
