/**
 * dist/bundle/: the command in a few files, each of its threads and child processes in one; with yargs, apache-arrow and
 * ml-pca in them. Node takes about half a millisecond to find, read and compile a module, and a run of ten images needs
 * hundreds of them. In dist/ an entry is one line that imports its bundle; all other modules there are as tsc made them, for
 * the library, the tests and the scripts.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundledLicenses } from './lib/bundled-licenses.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const OUT = join(DIST, 'bundle');

/** Modules that Node starts: by their path below src/ and dist/. */
const COMMAND = ['cli'];
const THREADS = [
  'engine/child',
  'engine/request-reader',
  'export/json-thread',
  'export/parquet/encode-thread',
  'image/pool/worker',
  'reduce/passes/pass-worker',
];
/** The packages that are bundled; of the others only what is used is loaded, or they find files of their own. */
const BUNDLED = /^(yargs|apache-arrow|ml-pca)($|\/)/;

/** A module of ours finds files by where it is in dist/: its bundle is elsewhere. */
const ownPlaces = {
  name: 'own-places',
  /** @param {import('esbuild').PluginBuild} build */
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const module = `../${relative(join(ROOT, 'src'), path).replaceAll('\\', '/').slice(0, -3)}.js`;
      const place = `new URL(${JSON.stringify(module)}, import.meta.url).href`;
      return { contents: text.replaceAll('import.meta.url', `(${place})`), loader: 'ts' };
    });
  },
};

/** yargs measures each word of the help: that of plain text is known without tables of Unicode and emoji. */
const plainWidth = {
  name: 'plain-width',
  /** @param {import('esbuild').PluginBuild} build */
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^string-width$/ }, ({ resolveDir, namespace }) =>
      namespace === 'plain-width' ? undefined : { path: resolveDir, namespace: 'plain-width' },
    );
    onLoad({ filter: /.*/, namespace: 'plain-width' }, ({ path }) => ({
      contents: `import stringWidth from 'string-width';
        export default (text, options) => (/^[\\x20-\\x7e]*$/.test(text) ? text.length : stringWidth(text, options));`,
      resolveDir: path,
    }));
  },
};

/** Of packages only BUNDLED, and what those import. */
const others = {
  name: 'others',
  /** @param {import('esbuild').PluginBuild} build */
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, importer, kind }) => {
      if (kind === 'entry-point' || path.startsWith('node:')) return undefined;
      const isOurs = !importer.includes('/node_modules/');
      return isOurs && !BUNDLED.test(path) ? { path, external: true } : undefined;
    });
  },
};

const temporary = `${OUT}.tmp-${process.pid}`;
mkdirSync(temporary, { recursive: true });
try {
  // Threads share no code: each would load ten pieces in place of one file.
  const inputs = [...(await bundle(COMMAND, true)), ...(await bundle(THREADS, false))];
  const files = inputs.filter((path) => !path.startsWith(`${plainWidth.name}:`));
  writeFileSync(join(temporary, 'LICENSES.txt'), bundledLicenses(ROOT, files));
  rmSync(OUT, { recursive: true, force: true });
  renameSync(temporary, OUT);
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

for (const entry of [...COMMAND, ...THREADS]) {
  const path = join(DIST, `${entry}.js`);
  const bundle = relative(dirname(path), join(OUT, `${nameOf(entry)}.js`)).replaceAll('\\', '/');
  const import_ = `import '${bundle.startsWith('.') ? bundle : `./${bundle}`}';\n`;
  writeFileSync(path, entry === 'cli' ? `#!/usr/bin/env node\n${import_}` : import_);
}
chmodSync(join(DIST, 'cli.js'), 0o755);

/** @param {readonly string[]} entries @param {boolean} splitting @returns {Promise<string[]>} paths of what is in them */
async function bundle(entries, splitting) {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: entries.map((entry) => ({ in: `src/${entry}.ts`, out: nameOf(entry) })),
    outdir: temporary,
    bundle: true,
    splitting,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Names stay: errors show them.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
    metafile: true,
    logLevel: 'warning',
    plugins: [plainWidth, others, ownPlaces],
  });
  return Object.keys(metafile.inputs);
}

/** @param {string} entry */
function nameOf(entry) {
  return entry.replaceAll('/', '-');
}
