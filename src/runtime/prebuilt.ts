/**
 * Addons that the package brings, made by scripts/build-addons.mjs at release: no compiler is needed where they load. In a
 * checkout there are none. The name of a file says its sources, so one of other sources is not found.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RuntimeError } from '../errors.ts';
import { readJsonFile } from '../json.ts';

const PREBUILT = fileURLToPath(new URL('../../dist/vendor/prebuilt', import.meta.url));
const RECORD = 'prebuilt.json';

/** Beside the files of a platform. */
export interface PrebuiltRecord {
  /** First line of its `--version`. */
  readonly compiler: string;
  /** SHA-256 by name. */
  readonly files: Readonly<Record<string, string>>;
}

/** Path of the addon of that name, where the package has it. @param platform `process.platform` and `process.arch`, joined */
export function findPrebuilt(name: string, platform: string, dir = PREBUILT): string | undefined {
  const path = join(dir, platform, name);
  return existsSync(path) ? path : undefined;
}

export function prebuiltRecord(path: string): PrebuiltRecord {
  return readJsonFile(join(dirname(path), RECORD)) as PrebuiltRecord;
}

/** @param path as findPrebuilt gave it; any other file is left alone @throws RuntimeError where it is not the file that was released */
export function expectReleased(path: string, dir = PREBUILT): void {
  if (dirname(dirname(path)) !== dir) return;
  const expected = prebuiltRecord(path).files[basename(path)];
  const found = createHash('sha256').update(readFileSync(path)).digest('hex');
  if (found === expected) return;
  throw new RuntimeError(`Expected SHA-256 ${expected} for ${path} but found ${found}.`, {
    fix: 'Install the package again.',
  });
}
