import type { OutputStore } from '../storage/output-store.ts';
import { textLines } from '../storage/text-lines.ts';
import type { CheckedRow } from './checked-rows.ts';

/** Reads JSON lines back. */
export async function* jsonRows(store: OutputStore, name: string): AsyncGenerator<CheckedRow> {
  for await (const line of textLines(store.read(name))) {
    const row = JSON.parse(line) as Record<string, unknown>;
    const bad = Object.entries(row).find(
      ([, cell]) => Array.isArray(cell) && !cell.every((value) => Number.isFinite(value)),
    );
    const fault = bad && `${bad[0]} holds something that is not a finite number`;
    yield { origin: typeof row.origin === 'string' ? row.origin : undefined, fault };
  }
}
