/**
 * Bundles the report's page: src/report/page/ -> dist/report/page/page.js and page.css, each one file that a run
 * puts into its report.html. Runs after tsc in `npm run build` and in the set-up.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const licence = readFileSync(join(ROOT, 'node_modules', 'twgl.js', 'LICENSE.md'), 'utf8').trim();

const { build } = await import('esbuild');
const outdir = join(ROOT, 'dist', 'report', 'page');
mkdirSync(outdir, { recursive: true });
await build({
  absWorkingDir: ROOT,
  entryPoints: ['src/report/page/page.ts', 'src/report/page/page.css'],
  outdir,
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['es2022', 'chrome110', 'firefox115', 'safari16.4'],
  charset: 'ascii',
  legalComments: 'none',
  // What the page shares with the program may read files there; nothing that the page uses does.
  plugins: [
    {
      name: 'no-node',
      setup({ onResolve, onLoad }) {
        onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'node' }));
        onLoad({ filter: /./, namespace: 'node' }, () => ({ contents: 'module.exports = {}' }));
      },
    },
  ],
  // Every page carries the library in it, and with it the licence that asks to go along.
  banner: { js: `/* img2features, Apache-2.0; with twgl.js:\n${licence} */` },
  logLevel: 'warning',
});
