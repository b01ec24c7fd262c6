import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineOutput } from '../../engine/engine.ts';
import { RunError } from '../../errors.ts';
import type { UpdateReport } from '../../events.ts';
import type { FileLock } from '../../files/lock-file.ts';
import type { Manifest } from '../../run/manifest.ts';
import { PUBLISHING_FILE, promoteUpdate, UPDATE_FOLDER } from '../../run/promote-update.ts';
import type { RunStore } from '../../run/run-store.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import type { OutputStore, WrittenFile } from '../../storage/output-store.ts';
import { clearOutput } from '../prepare-output.ts';
import { fittedBefore, type ShardSums } from '../reducer-fitting.ts';
import type { ReusedRows } from './reuse-rows.ts';

export interface UpdateParts {
  readonly workDir: string;
  readonly lock: FileLock;
  readonly store: RunStore;
  readonly manifest: Manifest;
  readonly report: UpdateReport;
  readonly reused: ReusedRows;
  /** What the finished run says of its reducer.npz; undefined with k = 0. */
  readonly reducerFile: WrittenFile | undefined;
}

/**
 * An update in progress. Its state is beside that of the finished run, in `update/` of the work folder; table
 * and state of the finished run do not change until the new table is complete:
 *
 *     update/base.json        what the finished run wrote, and update/reducer.npz
 *     update/reused/          reused rows, which wait for the rest of their shards
 *     update/…                manifest, shards and records, as of any run
 *     update/publishing.json  from here on the table is being replaced
 *     update/finished.json    it is; from here on this state replaces the old one
 */
export class Update {
  readonly store: RunStore;
  readonly manifest: Manifest;
  readonly report: UpdateReport;
  readonly reused: ReusedRows;
  /** The update's own work folder. */
  readonly dir: string;
  readonly #workDir: string;
  readonly #lock: FileLock;
  readonly #reducerFile: WrittenFile | undefined;

  constructor({ workDir, lock, store, manifest, report, reused, reducerFile }: UpdateParts) {
    this.dir = join(workDir, UPDATE_FOLDER);
    this.store = store;
    this.manifest = manifest;
    this.report = report;
    this.reused = reused;
    this.#workDir = workDir;
    this.#lock = lock;
    this.#reducerFile = reducerFile;
  }

  /** The reducers of the finished run in place of a fit; undefined where they are to be fitted. */
  async keptReducers(outputs: readonly EngineOutput[]): Promise<ShardSums | undefined> {
    if (this.report.reducer !== 'kept') return undefined;
    const path = join(this.dir, 'reducer.npz');
    const bytes = await readFile(path);
    if (createHash('sha256').update(bytes).digest('hex') !== this.#reducerFile?.sha256) {
      throw new RunError(
        `Expected the reducer of the finished run in ${path} but found a damaged file.`,
        { fix: 'Give --refit to fit it again.' },
      );
    }
    return fittedBefore(bytes, outputs);
  }

  /** The new table is complete but not visible yet: removes `_SUCCESS` of the replaced table, and those of its files that the new one does not overwrite. */
  async removeReplacedFiles(output: OutputStore, files: readonly WrittenFile[]): Promise<void> {
    const path = join(this.dir, PUBLISHING_FILE);
    await writeDurably(path, 'the state of the update', '{"publishing":true}\n');
    await clearOutput(output, new Set(['run.json', ...files.map(({ name }) => name)]));
  }

  /** Ends an update whose table is published, `_SUCCESS` included. */
  async finish(): Promise<void> {
    await this.store.finish();
    await promoteUpdate(this.#workDir);
  }

  /** Releases the locks. What is committed stays for the next start. */
  async close(): Promise<void> {
    await this.store.close();
    await this.#lock.release();
  }
}
