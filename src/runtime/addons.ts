/**
 * Addons of our own that need no TensorFlow (native/reduce, native/jpeg, native/memory): the package brings them, or they are
 * compiled at set-up into the cache folder. Without them something slower does the same, to the same bits. A file's name says
 * which sources it was made from, as with operations.ts.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RuntimeError } from '../errors.ts';
import { cacheDir } from './cache-dir.ts';
import { expectReleased, findPrebuilt } from './prebuilt.ts';
import { expectTrusted } from './trusted-code.ts';

export interface AddonPlan {
  /** Its folder in native/. */
  readonly folder: NativeFolder;
  /** For messages: "the kernels of the PCA". */
  readonly what: string;
  /** What does the same, slower: "WebAssembly runs". */
  readonly instead: string;
  /** `process.platform` and `process.arch`, joined. */
  readonly platforms: readonly string[];
  /** Arguments of the compiler besides the sources. */
  readonly compilerArgs: readonly string[];
}

type NativeFolder = 'reduce' | 'jpeg' | 'memory';

export const ADDONS = {
  kernels: {
    folder: 'reduce',
    what: 'the kernels of the PCA',
    instead: 'WebAssembly runs',
    // Their instructions are x86's.
    platforms: ['linux-x64'],
    // Their bits are WebAssembly's, which has no fused multiply-add.
    compilerArgs: ['-ffp-contract=off', '-shared'],
  },
  jpeg: {
    folder: 'jpeg',
    what: 'the JPEG decoder',
    instead: 'WebAssembly runs',
    // Those that scripts/bundle-libjpeg.mjs has a library for.
    platforms: ['linux-x64', 'linux-arm64'],
    compilerArgs: ['-shared', '-ldl'],
  },
  memory: {
    folder: 'memory',
    what: 'the memory that the network shares with the run',
    instead: 'A file is used',
    platforms: ['linux-x64', 'linux-arm64'],
    compilerArgs: ['-shared'],
  },
} as const satisfies Record<string, AddonPlan>;

export type AddonName = keyof typeof ADDONS;
export const ADDON_NAMES = Object.keys(ADDONS) as AddonName[];

export const PLATFORM = `${process.platform}-${process.arch}`;

/** What the addon is made of, where this machine can have it. */
export function addonSources(name: AddonName): NativeSources | undefined {
  const { folder, platforms }: AddonPlan = ADDONS[name];
  return platforms.includes(PLATFORM) ? nativeSources(folder) : undefined;
}

/** The folder in the cache with the addons of this and of other versions. */
export function addonsDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheDir(env), 'addons');
}

/** The file's name in this version. */
export function addonFileName(name: AddonName | 'operations', { hash }: NativeSources): string {
  return `img2features_${name}-${hash}.node`;
}

/** Path of the addon that this version compiles, there or not. */
export function addonPath(name: AddonName, sources: NativeSources): string {
  return join(addonsDir(), addonFileName(name, sources));
}

/** Path of the addon, where it is built. */
export function findAddon(name: AddonName): string | undefined {
  const sources = addonSources(name);
  return sources && findBuilt(name, sources);
}

/** The same for a caller that has the sources already: finding them means reading all of them. */
export function findBuilt(name: AddonName, sources: NativeSources): string | undefined {
  const path = addonPath(name, sources);
  // One that was compiled here is preferred: the prebuilt one may not load on this system.
  return existsSync(path) ? path : findPrebuilt(addonFileName(name, sources), PLATFORM);
}

/** Whether `setup` has something to compile here. */
export function lacksAddons(): boolean {
  return ADDON_NAMES.some((name) => {
    const sources = addonSources(name);
    return sources !== undefined && findBuilt(name, sources) === undefined;
  });
}

export interface LoadedAddon<T> {
  readonly addon?: T;
  /** Why there is none. */
  readonly why?: string;
}

/** @param check says what else is missing, of an addon that was loaded */
export function loadAddon<T>(
  name: AddonName,
  check: (addon: T) => string | undefined,
): LoadedAddon<T> {
  const { platforms }: AddonPlan = ADDONS[name];
  const sources = addonSources(name);
  if (sources === undefined) return { why: `it is for ${platforms.join(' and ')} only` };
  const path = findBuilt(name, sources);
  if (path === undefined) return { why: '`img2features setup` has not built it here' };
  return requireAddon(path, check);
}

/** Loads any addon of ours; what it says itself, or the check throws, is the reason where it fails. */
export function requireAddon<T>(
  path: string,
  check: (addon: T) => string | undefined,
): LoadedAddon<T> {
  try {
    expectTrusted(path);
    expectReleased(path);
    const addon = createRequire(import.meta.url)(path) as T;
    const why = check(addon);
    return why === undefined ? { addon } : { why };
  } catch (error) {
    const said = String(error instanceof Error ? error.message : error).split('\n', 1)[0];
    return { why: error instanceof RuntimeError ? `${said} ${error.fix}` : said };
  }
}

const NATIVE = fileURLToPath(new URL('../../native/', import.meta.url));

/** The C++ sources in a folder of native/, without its subfolders. */
export interface NativeSources {
  /** Paths of the `.cc` files. */
  readonly files: readonly string[];
  /** Of all that is compiled: what is built from other sources gets another name. */
  readonly hash: string;
}

/** @returns undefined where this program was bundled into one file without the sources. */
export function nativeSources(folder: 'winograd' | NativeFolder): NativeSources | undefined {
  const dir = join(NATIVE, folder);
  if (!existsSync(dir)) return undefined;
  const names = readdirSync(dir)
    .filter((name) => /\.(cc|h)$/.test(name))
    .sort();
  const hash = createHash('sha256');
  for (const name of names) hash.update(`${name}\n`).update(readFileSync(join(dir, name)));
  return {
    files: names.filter((name) => name.endsWith('.cc')).map((name) => join(dir, name)),
    hash: hash.digest('hex').slice(0, 16),
  };
}
