import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NATIVE = fileURLToPath(new URL('../../native/', import.meta.url));

/** The C++ sources in a folder of native/, without its subfolders. */
export interface NativeSources {
  /** Paths of the `.cc` files. */
  readonly files: readonly string[];
  /** Of all that is compiled: what is built from other sources gets another name. */
  readonly hash: string;
}

/** @returns undefined where this program was bundled into one file without the sources. */
export function nativeSources(folder: 'winograd' | 'reduce' | 'jpeg'): NativeSources | undefined {
  const dir = join(NATIVE, folder);
  if (!existsSync(dir)) return undefined;
  const names = readdirSync(dir)
    .filter((name) => /\.(cc|h)$/.test(name))
    .sort();
  const hash = createHash('sha256');
  for (const name of names) hash.update(`${name}\n`).update(readFileSync(join(dir, name)));
  return {
    files: names.filter((name) => name.endsWith('.cc')).map((name) => join(dir, name)),
    hash: hash.digest('hex').slice(0, 16),
  };
}
