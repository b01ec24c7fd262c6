/**
 * Part of `npm run check`: imports in src/ go downwards only, and no chain of them is a circle, types included.
 * With a folder as argument it checks that one in place of src/.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The rooms of src/, each above all that it may import; src/README.md says what they are. */
const ROOMS = [
  ['errors.ts', 'package-version.ts', 'closest-names.ts'],
  [
    'closers.ts',
    'hide-credentials.ts',
    'json.ts',
    'map-ordered.ts',
    'first-not-finite.ts',
    'decode-text.ts',
    'delimited-text.ts',
  ],
  ['files'],
  ['options'],
  ['s3'],
  ['place.ts'],
  ['runtime'],
  ['model', 'image', 'reduce'],
  ['engine', 'convert', 'source'],
  ['events.ts'],
  ['storage'],
  ['export', 'run'],
  ['findings'],
  ['quality'],
  ['pipeline', 'terminal'],
  ['doctor', 'report', 'pack'],
  ['publish.ts'],
  ['dry-run', 'library', 'worker', 'extract.ts'],
  ['demo', 'merge.ts'],
  ['commands', 'index.ts'],
  ['cli.ts'],
];

/** @returns {string[]} one line for each fault */
export function importFaults(src = join(ROOT, 'src')) {
  const imports = new Map(sourcesOf(src).map((file) => [file, importsOf(src, file)]));
  const faults = [];
  for (const [file, targets] of imports) {
    const level = levelOf(file);
    if (level < 0) faults.push(`${file}: its room is not in the list of scripts/check-imports.mjs`);
    for (const target of targets) {
      if (!imports.has(target)) faults.push(`${file}: imports ${target}, which is not there`);
      else if (roomOf(file) !== roomOf(target) && levelOf(target) >= level) {
        faults.push(`${file}: imports upwards, ${target}`);
      }
    }
  }
  return [...faults, ...circles(imports).map((files) => `a circle: ${files.join(' -> ')}`)];
}

/** @param {string} file */
function roomOf(file) {
  return file.split('/')[0];
}

/** @param {string} file */
function levelOf(file) {
  return ROOMS.findIndex((rooms) => rooms.includes(roomOf(file)));
}

/** @param {string} src @returns {string[]} relative to it */
function sourcesOf(src) {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts'))
    .sort();
}

/** Files of src/ that a file names in static and dynamic imports and re-exports. @param {string} src @param {string} file */
function importsOf(src, file) {
  const text = readFileSync(join(src, file), 'utf8');
  const found = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']*\.ts)'/g);
  return [...found].map(([, path]) => {
    return relative(src, resolve(src, dirname(file), path)).replaceAll('\\', '/');
  });
}

/** One circle through each file that is in any. @param {Map<string, string[]>} imports @returns {string[][]} */
function circles(imports) {
  const done = new Set();
  /** @type {string[][]} */
  const found = [];
  /** @param {string} file @param {string[]} way */
  const visit = (file, way) => {
    const at = way.indexOf(file);
    if (at >= 0) found.push([...way.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const target of imports.get(file) ?? []) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return found;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const faults = importFaults(process.argv[2]);
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
