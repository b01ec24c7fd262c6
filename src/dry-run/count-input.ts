import { basename, extname } from 'node:path';
import type { Manifest } from '../run/manifest.ts';
import { countSkipped, type Skipped } from '../source/skipped.ts';

/** What is known from the listing alone. JSON-able: part of what `--dry-run --log json` prints. */
export interface InputCounts {
  readonly images: number;
  readonly bytes: number;
  /** Sum of `skipped`. */
  readonly ignored: number;
  /** What the listing leaves out, by why. */
  readonly skipped: Skipped;
  readonly rejections: readonly { origin: string; reason: string; message: string }[];
  /** Images for each class, by name. */
  readonly classes: Readonly<Record<string, number>>;
  readonly classBytes: Readonly<Record<string, number>>;
  /** Images for each extension, lower case. */
  readonly extensions: Readonly<Record<string, number>>;
  /** File names that occur in more than one folder: no problem here, as origin is the whole path. */
  readonly repeatedNames: number;
  /** Of those, names with the same size twice: possibly the same image. */
  readonly sameNameAndSize: number;
  /** A few of the latter, else of the former. */
  readonly repeatedExamples: readonly {
    readonly name: string;
    readonly origins: readonly string[];
  }[];
  /** UTF-8 bytes of all origins, targets, splits and kept texts, as the table will hold them. */
  readonly nameBytes: number;
}

const EXAMPLES = 5;

export function countInput(manifest: Manifest): InputCounts {
  const classes = new Map<string, number>();
  const classBytes = new Map<string, number>();
  const extensions = new Map<string, number>();
  const names = new Map<string, NameUse>();
  let nameBytes = 0;
  for (let i = 0; i < manifest.count; i++) {
    const { origin, target, location, size, split = '', kept = [] } = manifest.entry(i);
    add(classes, target, 1);
    add(classBytes, target, size);
    add(extensions, extname(location).slice(1).replace(/#\d+$/, '').toLowerCase(), 1);
    for (const text of [origin, target, split, ...kept]) nameBytes += Buffer.byteLength(text);
    noteName(names, basename(location), i, size);
  }
  const repeated = [...names].filter(([, use]) => use.count > 1);
  const alike = repeated.filter(([, use]) => use.twins !== undefined);
  return {
    images: manifest.count,
    bytes: manifest.bytes,
    ignored: countSkipped(manifest.skipped),
    skipped: manifest.skipped,
    rejections: manifest.rejections,
    classes: sorted(classes),
    classBytes: sorted(classBytes),
    extensions: sorted(extensions),
    repeatedNames: repeated.length,
    sameNameAndSize: alike.length,
    repeatedExamples: [...alike, ...repeated.filter(([, { twins }]) => twins === undefined)]
      .slice(0, EXAMPLES)
      .map(([name, { first, second, twins = [first, second!] }]) => ({
        name,
        origins: twins.map((index) => manifest.entry(index).origin),
      })),
    nameBytes,
  };
}

/** Where a name was seen: positions only, for there may be millions. */
interface NameUse {
  readonly first: number;
  readonly firstSize: number;
  second?: number;
  count: number;
  /** Sizes beyond the first, kept only once a name repeats. */
  sizes?: Map<number, number>;
  twins?: readonly [number, number];
}

function noteName(names: Map<string, NameUse>, name: string, index: number, size: number): void {
  const use = names.get(name);
  if (use === undefined) {
    names.set(name, { first: index, firstSize: size, count: 1 });
    return;
  }
  use.count += 1;
  use.second ??= index;
  use.sizes ??= new Map([[use.firstSize, use.first]]);
  const twin = use.sizes.get(size);
  if (twin !== undefined) use.twins ??= [twin, index];
  else use.sizes.set(size, index);
}

function add(counts: Map<string, number>, key: string, n: number): void {
  counts.set(key, (counts.get(key) ?? 0) + n);
}

function sorted(counts: Map<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
