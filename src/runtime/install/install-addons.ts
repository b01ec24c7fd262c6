/** The addons of our own: one compiler call each, and nothing else is needed. */
import { basename } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors.ts';
import {
  ADDON_NAMES,
  ADDONS,
  type AddonName,
  addonPath,
  addonSources,
  addonsDir,
  findBuilt,
} from '../addons.ts';
import { makePrivateFolder } from '../trusted-code.ts';
import { compileNative, findCompiler } from './compile-addon.ts';
import { type OnStep, reportStep } from './setup-step.ts';

export interface AddonOptions {
  /** Compile again even when the addon is there. */
  readonly force?: boolean | undefined;
  readonly onStep?: OnStep | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes sure that the addons that this machine can have are in the cache folder. Everything works without them, to the
 * same bits.
 * @returns of each that could not be built: why, as a sentence
 */
export async function installAddons(options: AddonOptions): Promise<string[]> {
  const missing: string[] = [];
  for (const name of ADDON_NAMES) {
    const why = await installAddon(name, options);
    if (why !== undefined) {
      missing.push(`WebAssembly runs, slower, in place of ${ADDONS[name].what}: ${why}`);
    }
  }
  return missing;
}

async function installAddon(
  name: AddonName,
  { force = false, onStep, signal }: AddonOptions,
): Promise<string | undefined> {
  const sources = addonSources(name);
  if (sources === undefined || (!force && findBuilt(name, sources) !== undefined)) return undefined;
  const { what, compilerArgs } = ADDONS[name];
  const path = addonPath(name, sources);
  const target = { sources: sources.files, path, what, args: compilerArgs };
  try {
    const compiler = await findCompiler();
    makePrivateFolder(addonsDir());
    await reportStep(
      onStep,
      'compile',
      what.replace(/^the /, ''),
      () => compileNative(target, compiler, signal),
      () => basename(path),
    );
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    // The runtime's install reports a folder that cannot be written, with its fix.
    if (error instanceof RuntimeError || errnoOf(error) !== undefined) {
      return (error as Error).message;
    }
    throw error;
  }
}
