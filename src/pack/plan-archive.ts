import { existsSync } from 'node:fs';
import { basename, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ExportError, ModelError } from '../errors.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import { readModelFolder } from '../model/read-model-folder.ts';
import { ADDON_NAMES, findAddon } from '../runtime/addons.ts';
import { runtimesDir } from '../runtime/cache-dir.ts';
import { LINKED } from '../runtime/gpu-libraries.ts';
import { locateRuntime } from '../runtime/locate-runtime.ts';
import { tensorflowJs } from '../runtime/tensorflow-js.ts';
import type { TensorFlowRuntime } from '../runtime/tensorflow-runtime.ts';
import { runtimePackages } from './runtime-packages.ts';
import { type ArchiveEntry, fileEntry, folderEntries, textEntry } from './write-archive.ts';

export interface PackContents {
  /** A model folder, or none. */
  readonly model: string | undefined;
  /** Pack the TensorFlow runtime of the cache, where it has one. */
  readonly runtime: boolean;
  /** The one for CUDA in place of the one for the CPU. */
  readonly gpu: boolean;
  readonly node: boolean;
}

export interface ArchivePlan {
  /** In the order of the archive: by the bytes of their paths. */
  readonly entries: readonly ArchiveEntry[];
  readonly runtime: TensorFlowRuntime | undefined;
  readonly model: ModelFolder | undefined;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * What goes into the archive:
 *
 *     bin/img2features          the launcher
 *     node/bin/node             this very Node
 *     lib/…                     the package and the packages it needs, as they are here
 *     lib/…/models/<name>       the model, where `--mode vgg16` and `--model models/<name>` find it
 *     cache/addons/…            our own addons, where they are built
 *     cache/runtime/…           the TensorFlow runtime
 *
 * @throws ModelError, ExportError
 */
export async function planArchive(contents: PackContents): Promise<ArchivePlan> {
  const root = resolve(ROOT);
  tensorflowJs(); // an unfinished build would fail only where it is unpacked
  const packages = runtimePackages(root);
  const base = commonBase(root, packages);
  const place = (dir: string) =>
    ['lib', ...relative(base, dir).split(sep)].filter(Boolean).join('/');
  const model =
    contents.model === undefined ? undefined : await readModelFolder(resolve(contents.model), {});
  const runtime = contents.runtime ? await findRuntime(contents.gpu) : undefined;
  const start = launcher({
    cliPath: `${place(root)}/dist/cli.js`,
    hasNode: contents.node,
    hasRuntime: runtime !== undefined,
  });
  const entries = [
    textEntry(start, LAUNCHER_PATH, true),
    ...ownEntries(root, place(root)),
    ...packages.flatMap((dir) => folderEntries(dir, place(dir), isNeededOfPackage)),
    ...(contents.node ? [{ ...fileEntry(process.execPath, NODE_PATH), isExecutable: true }] : []),
    ...(model === undefined ? [] : modelEntries(model, `${place(root)}/models`)),
    ...addonEntries(),
    ...(runtime === undefined ? [] : runtimeEntries(runtime)),
  ];
  entries.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return { entries, runtime, model };
}

/** The folder that holds all packages, with their `node_modules` unchanged. */
function commonBase(root: string, packages: readonly string[]): string {
  const above = packages
    .filter((dir) => !dir.startsWith(root + sep))
    .map((dir) => dir.slice(0, dir.lastIndexOf(`${sep}node_modules${sep}`)));
  return above.reduce((base, dir) => (dir.length < base.length ? dir : base), root);
}

/** What package.json publishes and a run needs; without types and texts. */
function ownEntries(root: string, path: string): ArchiveEntry[] {
  const files = ['package.json', 'LICENSE', 'models/keras-applications.jsonl.br'].map((name) =>
    fileEntry(join(root, name), `${path}/${name}`),
  );
  const folders = ['dist', 'native']
    .filter((name) => existsSync(join(root, name)))
    .flatMap((name) =>
      folderEntries(
        join(root, name),
        `${path}/${name}`,
        (inner) => !inner.startsWith('.') && !isTypes(inner),
      ),
    );
  return [...files, ...folders];
}

/** Nested packages are packages of their own; licences are packed. */
function isNeededOfPackage(inner: string): boolean {
  return (
    !isTypes(inner) &&
    !inner.endsWith('.map') &&
    !/(^|\/)(node_modules|\.bin|dist-types)$/.test(inner)
  );
}

function isTypes(path: string): boolean {
  return /\.d\.[cm]?ts$/.test(path);
}

function modelEntries({ dir, shardPaths }: ModelFolder, path: string): ArchiveEntry[] {
  const inside = `${path}/${basename(dir)}`;
  return [join(dir, 'model.json'), ...shardPaths].map((file) => {
    const name = relative(dir, file).split(sep).join('/');
    if (name.startsWith('..')) {
      throw new ModelError(`Expected the weights inside ${dir} but found ${file}.`);
    }
    return fileEntry(file, `${inside}/${name}`);
  });
}

async function findRuntime(wantsGpu: boolean): Promise<TensorFlowRuntime | undefined> {
  const { cpu, gpu } = await locateRuntime();
  if (!wantsGpu) return cpu;
  if (gpu !== undefined) return gpu;
  throw new ExportError(`Expected the CUDA runtime in ${runtimesDir()} but found none.`, {
    fix: 'Run `img2features setup --gpu` first.',
  });
}

function addonEntries(): ArchiveEntry[] {
  return ADDON_NAMES.flatMap((name) => findAddon(name) ?? []).map((path) =>
    fileEntry(path, `cache/addons/${basename(path)}`),
  );
}

/** The second name of a library would be a second copy of it here. */
function runtimeEntries({ dir }: TensorFlowRuntime): ArchiveEntry[] {
  const isFile = (inner: string) => inner !== LINKED.path;
  return folderEntries(dir, `cache/runtime/${basename(dir)}`, isFile);
}

interface LauncherOptions {
  /** Of cli.js, inside the archive. */
  readonly cliPath: string;
  readonly hasNode: boolean;
  readonly hasRuntime: boolean;
}

const NODE_PATH = 'node/bin/node';
const LAUNCHER_PATH = 'bin/img2features';

/** `bin/img2features`: starts the program beside it, in any folder and without anything from the environment. */
function launcher({ cliPath, hasNode, hasRuntime }: LauncherOptions): string {
  const node = hasNode ? `"$root/${NODE_PATH}"` : `"\${IMG2FEATURES_NODE:-node}"`;
  // The packed runtime is used; without one in the archive, another cache may have one.
  const cache = hasRuntime ? '$root/cache' : `\${IMG2FEATURES_CACHE:-$root/cache}`;
  return `#!/bin/sh
# img2features, from wherever this folder lies; made by "img2features pack".
self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in
    /*) self=$link ;;
    *) self=\${self%/*}/$link ;;
  esac
done
case $self in
  */*) here=\${self%/*} ;;
  *) here=. ;;
esac
root=$(CDPATH= cd "$here/.." && pwd -P) || exit 2
IMG2FEATURES_CACHE="${cache}"
export IMG2FEATURES_CACHE
exec ${node} "$root/${cliPath}" "$@"
`;
}
