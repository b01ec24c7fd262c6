import { closeSync, fsyncSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelFolder } from '../../model/model-folder.ts';
import { WeightReader } from '../weight-reader.ts';
import { crc32c, maskCrc } from './crc32c.ts';
import type { GraphVariable } from './graph-builder.ts';
import { encodeTable, type TableEntry } from './sorted-table.ts';
import { bundleEntry, bundleHeader } from './tensorflow-protos.ts';
import { readSource } from './weight-source.ts';

export const SAVED_MODEL_FILES = {
  model: 'saved_model.pb',
  index: 'variables/variables.index',
  data: 'variables/variables.data-00000-of-00001',
} as const;

/**
 * Writes a SavedModel: the graph, and the variables as a checkpoint (TensorBundle): one data file of
 * raw tensors one after the other, and a sorted table that says where each one is. The weights
 * pass through a few MiB of memory.
 *
 * @param dir an empty folder.
 * @param model the bytes of saved_model.pb.
 */
export function writeSavedModel(
  dir: string,
  model: Uint8Array,
  variables: readonly GraphVariable[],
  folder: ModelFolder,
): void {
  mkdirSync(join(dir, 'variables'));
  const entries = writeData(join(dir, SAVED_MODEL_FILES.data), variables, folder);
  // The header's key is empty, so that it comes first.
  const table = encodeTable([[new Uint8Array(0), bundleHeader()], ...entries]);
  writeSynced(join(dir, SAVED_MODEL_FILES.index), table);
  writeSynced(join(dir, SAVED_MODEL_FILES.model), model);
}

/** @returns the checkpoint's entries, one a variable. */
function writeData(
  path: string,
  variables: readonly GraphVariable[],
  folder: ModelFolder,
): TableEntry[] {
  const reader = new WeightReader(folder);
  const fd = openSync(path, 'wx');
  try {
    let offset = 0;
    const entries = variables.map(({ key, shape, source }): TableEntry => {
      const start = offset;
      let crc = 0;
      for (const chunk of readSource(reader, source)) {
        writeFully(fd, chunk);
        crc = crc32c(chunk, crc);
        offset += chunk.length;
      }
      const entry = { shape, offset: start, size: offset - start, crc32c: maskCrc(crc) };
      return [new TextEncoder().encode(key), bundleEntry(entry)];
    });
    reader.expectUnchanged();
    fsyncSync(fd);
    return entries;
  } finally {
    closeSync(fd);
    reader.close();
  }
}

function writeFully(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

function writeSynced(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes, { flag: 'wx', flush: true });
}
