import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The version in our own package.json. */
export function packageVersion(): string {
  const path = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

/** The libraries on which the bytes of a run depend. */
const LIBRARIES = [
  'sharp',
  '@cornerstonejs/codec-libjpeg-turbo-8bit',
  'apache-arrow',
  'parquet-wasm',
  'ml-pca',
];

/** Installed versions by package name, for run.json. */
export function libraryVersions(): Record<string, string> {
  const require = createRequire(import.meta.url);
  const versions: Record<string, string> = {};
  for (const name of LIBRARIES) {
    // Not require('<name>/package.json'): many packages do not export it.
    for (const folder of require.resolve.paths(name) ?? []) {
      try {
        const text = readFileSync(
          join(dirname(folder), 'node_modules', name, 'package.json'),
          'utf8',
        );
        versions[name] = (JSON.parse(text) as { version: string }).version;
        break;
      } catch {
        // Not in this folder; the next one up may have it.
      }
    }
  }
  return versions;
}
