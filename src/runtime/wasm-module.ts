import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { RuntimeError } from '../errors.ts';

const modules = new Map<string, WebAssembly.Module>();

/**
 * Starts a module of native/wasm/, compiled by the build, on a memory.
 * @throws RuntimeError where the build was not finished, or this machine has no WebAssembly with vectors
 */
export function startWasm<Exports>(name: 'reduce' | 'resize', memory: WebAssembly.Memory): Exports {
  const path = fileURLToPath(new URL(`../../dist/vendor/wasm/${name}.wasm`, import.meta.url));
  if (!existsSync(path)) {
    throw new RuntimeError(`Expected a WebAssembly module at ${path} but found nothing.`, {
      fix: 'In a checkout run `npm run build`; else install the package again.',
    });
  }
  try {
    let module = modules.get(name);
    if (module === undefined) {
      module = new WebAssembly.Module(readFileSync(path));
      modules.set(name, module);
    }
    return new WebAssembly.Instance(module, { env: { memory } }).exports as Exports;
  } catch (cause) {
    throw new RuntimeError(`WebAssembly with 128-bit vectors could not be started here: ${cause}`, {
      fix: 'Use a Node.js release for this processor; with a C++ compiler `img2features setup` builds what needs no WebAssembly.',
      cause,
    });
  }
}
