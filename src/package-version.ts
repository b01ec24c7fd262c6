import { readFileSync } from 'node:fs';

/** The version in our own package.json. */
export function packageVersion(): string {
  const path = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
