import { statSync } from 'node:fs';
import { OptionError } from '../errors.ts';
import { modelFacts } from '../model/model-folder.ts';
import { libraryVersions, packageVersion } from '../package-version.ts';
import { expectPath } from '../place.ts';
import { type ArchivePlan, type PackContents, planArchive } from './plan-archive.ts';
import { type ArchiveEntry, type PackedFile, textEntry, writeArchive } from './write-archive.ts';

export interface PackOptions extends PackContents {
  /** `.tar.gz`, `.tgz` or `.tar`. */
  readonly out: string;
}

export interface PackHooks {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

export interface Packed {
  readonly out: string;
  /** Of the archive. */
  readonly bytes: number;
  readonly files: number;
  /** Once unpacked. */
  readonly unpackedBytes: number;
  readonly runtime: string | null;
  readonly model: string | null;
}

/**
 * Packs this installation into one archive that runs where it is unpacked, with nothing else there.
 * @throws OptionError for a name that does not end like an archive's; ModelError; ExportError; the signal's reason
 */
export async function pack(
  options: PackOptions,
  { signal, onProgress }: PackHooks,
): Promise<Packed> {
  const { node } = options;
  const out = expectPath(options.out, '--out');
  if (!/\.(tar\.gz|tgz|tar)$/.test(out)) {
    throw new OptionError(
      `Expected a name that ends with .tar.gz, .tgz or .tar for --out but received ${out}.`,
    );
  }
  const plan = await planArchive(options);
  const last = (files: ReadonlyMap<string, PackedFile>) => manifestEntry(plan, node, files);
  await writeArchive(out, plan.entries, { signal, onProgress, last });
  return {
    out,
    bytes: statSync(out).size,
    files: plan.entries.length + 1,
    unpackedBytes: plan.entries.reduce((sum, { size }) => sum + size, 0),
    runtime: plan.runtime === undefined ? null : describeRuntime(plan.runtime),
    model: plan.model?.dir ?? null,
  };
}

/** `manifest.json`: what is in the archive. Nothing in it says when or where it was made. */
function manifestEntry(
  { runtime, model }: ArchivePlan,
  hasNode: boolean,
  files: ReadonlyMap<string, PackedFile>,
): ArchiveEntry {
  const manifest = {
    format: 1,
    version: packageVersion(),
    platform: `${process.platform}-${process.arch}`,
    node: hasNode ? process.version : null,
    runtime: runtime === undefined ? null : describeRuntime(runtime),
    model: model === undefined ? null : modelFacts(model),
    libraries: libraryVersions(),
    files: Object.fromEntries(files),
  };
  return textEntry(`${JSON.stringify(manifest, null, 1)}\n`, 'manifest.json');
}

function describeRuntime({ kind, tensorflow }: { kind: string; tensorflow: string }): string {
  return `TensorFlow ${tensorflow} (${kind})`;
}
