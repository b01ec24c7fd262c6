import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What makes a folder a finished run, as far as one that reads its run.json can tell; reducer.npz is the caller's. */
export async function writeRunJson(dir: string, facts: Record<string, unknown>): Promise<void> {
  const counts = { discovered: 0, extracted: 0, rejected: 0, ignored: 0, rejectedByReason: {} };
  const run = { format: 1, options: {}, counts, files: [], ...facts };
  await writeFile(join(dir, 'run.json'), JSON.stringify(run));
}
