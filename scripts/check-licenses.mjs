/**
 * Every installed package with its licence: `node scripts/check-licenses.mjs` fails on a licence that nobody has looked
 * at yet, and on a direct dependency that docs/dependencies.md does not explain. `--list` prints all of them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Looked at: all allow use, change and redistribution with their notice. LGPL: libvips, which sharp loads and which can be exchanged. */
const KNOWN = new Set([
  '(BSD-2-Clause OR MIT OR Apache-2.0)',
  '(BSD-3-Clause AND Apache-2.0)',
  '0BSD',
  'Apache-2.0',
  'Apache-2.0 AND LGPL-3.0-or-later',
  'Apache-2.0 AND LGPL-3.0-or-later AND MIT',
  'Apache-2.0 AND MIT',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'LGPL-3.0-or-later',
  'MIT',
  'MIT OR Apache-2.0',
  'MPL-2.0',
]);

/** What package.json leaves to a file, read there: h5wasm is NIST's, free to use, with HDF5 (BSD) in it. @type {Record<string, string>} */
const READ_BY_HAND = { 'h5wasm 0.10.3': 'BSD-3-Clause' };

/** @param {string} name @returns {any} */
const readJson = (name) => JSON.parse(readFileSync(join(ROOT, name), 'utf8'));

const lock = readJson('package-lock.json');
const packages = Object.entries(lock.packages)
  .filter(([path]) => path !== '')
  .map(([path, { version, license, dev }]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const read = READ_BY_HAND[`${name} ${version}`] ?? license ?? 'none';
    return { name, version, license: read, isDev: !!dev };
  });
const unknown = packages.filter(({ license }) => !KNOWN.has(license));
const explained = readFileSync(join(ROOT, 'docs', 'dependencies.md'), 'utf8');
const { dependencies, devDependencies } = readJson('package.json');
const silent = Object.keys({ ...dependencies, ...devDependencies }).filter(
  (name) => !explained.includes(`\`${name}\``),
);

const lines = process.argv.includes('--list')
  ? packages.map((p) => `${p.name} ${p.version}: ${p.license}${p.isDev ? ' (development)' : ''}`)
  : [`${packages.length} packages, ${unknown.length} with a licence that is not known.`];
lines.push(
  ...unknown.map(
    (p) => `Expected a known licence for ${p.name} ${p.version} but found ${p.license}.`,
  ),
  ...silent.map((name) => `Expected a word on \`${name}\` in docs/dependencies.md but found none.`),
);
process.stdout.write(`${lines.join('\n')}\n`);
process.exitCode = unknown.length + silent.length > 0 ? 1 : 0;
