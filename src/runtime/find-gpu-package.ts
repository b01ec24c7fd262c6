/** An `@tensorflow/tfjs-node-gpu` that the user installed: used unchanged, when it loads. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { probeRuntime } from './probe-runtime.ts';
import type { TensorFlowRuntime } from './tensorflow-runtime.ts';

const PACKAGE = '@tensorflow/tfjs-node-gpu';

/**
 * Looks for the package from the working folder, then from this program, and tries it in a
 * process of its own: with today's Node and CUDA most installs of it do not load.
 */
export async function findGpuPackage(
  cwd: string = process.cwd(),
  libraryDirs: readonly string[] = [],
): Promise<TensorFlowRuntime | undefined> {
  const resolved = resolveGpuPackage([pathToFileURL(join(cwd, 'x')).href, import.meta.url]);
  if (!resolved) return undefined;
  const candidate = { ...resolved, ...(libraryDirs.length > 0 && { libraryDirs }) };
  const probe = await probeRuntime(candidate).catch(() => undefined);
  if (probe?.device !== 'cuda') return undefined;
  return { ...candidate, tensorflow: probe.tensorflow };
}

/** The first package found from one of `parents` that has its addon, not yet tried. */
export function resolveGpuPackage(parents: readonly string[]): TensorFlowRuntime | undefined {
  for (const parent of parents) {
    const manifest = resolveFrom(parent, `${PACKAGE}/package.json`);
    if (!manifest) continue;
    const packageDir = dirname(manifest);
    const bindingPath = findAddon(packageDir);
    if (!bindingPath) continue;
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    return {
      kind: 'gpu',
      dir: packageDir,
      packageDir,
      bindingPath,
      tensorflow: `of ${PACKAGE} ${version}`,
    };
  }
  return undefined;
}

function resolveFrom(parent: string, specifier: string): string | undefined {
  try {
    return createRequire(parent).resolve(specifier);
  } catch {
    return undefined;
  }
}

function findAddon(packageDir: string): string | undefined {
  const lib = join(packageDir, 'lib');
  if (!existsSync(lib)) return undefined;
  const addons = readdirSync(lib).map((name) => join(lib, name, 'tfjs_binding.node'));
  return addons.filter(existsSync).sort().at(-1);
}
