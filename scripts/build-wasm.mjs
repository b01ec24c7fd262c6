/**
 * Compiles native/wasm/ (AssemblyScript) -> dist/vendor/wasm/<name>.wasm, each a module that imports its memory as
 * "env" "memory". Part of `npm run build` and of the set-up.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = join(ROOT, 'dist', 'vendor', 'wasm');
const FLAGS = '-O3 --runtime stub --noAssert --importMemory --enable simd --use abort='.split(' ');
/** Threads share the memory of the PCA, of any size. */
const SHARED = '--enable threads --sharedMemory --initialMemory 0 --maximumMemory 65536'.split(' ');

const { default: asc } = await import('assemblyscript/asc');
mkdirSync(OUT, { recursive: true });
for (const [name, flags] of /** @type {const} */ ([
  ['reduce', SHARED],
  ['resize', ['--initialMemory', '0']],
])) {
  const source = join('native', 'wasm', `${name}.ts`);
  const outFile = ['--outFile', join(OUT, `${name}.wasm`), '--baseDir', ROOT];
  const { error, stderr } = await asc.main([source, ...FLAGS, ...flags, ...outFile], {});
  if (error) throw new Error(`AssemblyScript refused ${source}: ${stderr.toString()}`);
}
