import { createHash, type Hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { ModelError } from '../errors.ts';
import type { ModelFolder } from './model-folder.ts';

const BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * Reads all weight shards and compares their SHA-256 with the one that model.json states.
 * @throws ModelError when they differ
 */
export async function verifyWeights(folder: ModelFolder, signal?: AbortSignal): Promise<void> {
  const expected = folder.metadata.weightsSha256;
  const found = await hashFiles(folder.shardPaths, signal);
  if (found === expected) return;
  throw new ModelError(
    `Expected weights with SHA-256 ${expected} in ${folder.dir} but found ${found}.`,
    { fix: 'The weights were changed or damaged after they were written: make the folder again.' },
  );
}

/**
 * SHA-256 over the files' bytes, one after the other, hex.
 * @throws ModelError for a file that cannot be read
 */
export async function hashFiles(paths: readonly string[], signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  for (const path of paths) {
    try {
      await hashFile(hash, path, buffer, signal);
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new ModelError(`Expected to read ${path} but found: ${(cause as Error).message}.`, {
        cause,
      });
    }
  }
  return hash.digest('hex');
}

async function hashFile(hash: Hash, path: string, buffer: Buffer, signal?: AbortSignal) {
  const file = await open(path, 'r');
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return;
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
