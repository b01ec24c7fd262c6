/**
 * dist/vendor/tensorflow/: tfjs, its WebAssembly backend and tfjs-node's JavaScript as one file, and the
 * sources of tfjs-node's addon. The package cannot depend on @tensorflow/tfjs-node: its install script
 * downloads a library from a host that closed networks do not reach, and npm runs install scripts of
 * bundled dependencies, too. The whole @tensorflow tree would also take 300 MB where 3 are used.
 */
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundledLicenses } from './lib/bundled-licenses.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = join(ROOT, 'dist', 'vendor', 'tensorflow');
const require = createRequire(import.meta.url);

/** Nothing runs before it is asked for: each `require` is left inside its function. */
const ENTRY = `
const addon = require('addon-path');
exports.tfjs = () => require('@tensorflow/tfjs');
exports.wasm = () => require('@tensorflow/tfjs-backend-wasm');
exports.tfjsNode = (path) => {
  addon.path = path;
  return require('@tensorflow/tfjs-node');
};
`;

/** Modules in place of others: what finds the addon, and what no caller of ours reaches. */
const STAND_INS = {
  'addon-path': 'exports.path = undefined;',
  '@mapbox/node-pre-gyp': "exports.find = () => require('addon-path').path;",
  '@tensorflow/tfjs-backend-webgl': '',
  '@tensorflow/tfjs-converter': '',
  '@tensorflow/tfjs-data': '',
  progress: '',
  'node-fetch': '',
};

/** Packages that tfjs has rolled into its own files. */
const EMBEDDED = ['node_modules/seedrandom'];

/** @returns {import('esbuild').Plugin} */
function standIns() {
  const names = Object.keys(STAND_INS).map((name) => name.replaceAll('/', '\\/'));
  return {
    name: 'stand-ins',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: new RegExp(`^(${names.join('|')})$`) }, ({ path }) => ({
        path,
        namespace: 'stand-in',
      }));
      onLoad({ filter: /.*/, namespace: 'stand-in' }, ({ path }) => ({
        contents: STAND_INS[/** @type {keyof typeof STAND_INS} */ (path)],
        loader: 'js',
        resolveDir: ROOT,
      }));
    },
  };
}

const temporary = `${OUT}.tmp-${process.pid}`;
mkdirSync(temporary, { recursive: true });
try {
  const { metafile } = await build({
    stdin: { contents: ENTRY, resolveDir: ROOT, sourcefile: 'tensorflow.cjs' },
    outfile: join(temporary, 'tensorflow.cjs'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    mainFields: ['main'],
    // Identifiers stay: tfjs names layers after their classes.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'external',
    metafile: true,
    logLevel: 'warning',
    plugins: [standIns()],
  });
  const node = dirname(require.resolve('@tensorflow/tfjs-node/package.json'));
  const wasm = dirname(require.resolve('@tensorflow/tfjs-backend-wasm'));
  copyAll(wasm, temporary, /\.wasm$/);
  mkdirSync(join(temporary, 'binding'));
  copyAll(join(node, 'binding'), join(temporary, 'binding'), /\.(cc|h)$/);
  const { version } = JSON.parse(await readFile(join(node, 'package.json'), 'utf8'));
  await writeFile(
    join(temporary, 'package.json'),
    `${JSON.stringify({ private: true, name: 'tensorflow-js', version, type: 'commonjs' })}\n`,
  );
  const used = [...Object.keys(metafile.inputs), ...EMBEDDED.map((folder) => `${folder}/`)];
  await writeFile(join(temporary, 'LICENSES.txt'), bundledLicenses(ROOT, used));
  rmSync(OUT, { recursive: true, force: true });
  renameSync(temporary, OUT);
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

/** @param {string} from @param {string} to @param {RegExp} pattern */
function copyAll(from, to, pattern) {
  for (const name of readdirSync(from)) {
    if (pattern.test(name)) copyFileSync(join(from, name), join(to, name));
  }
}
