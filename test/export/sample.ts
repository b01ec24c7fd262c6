import { createHash } from 'node:crypto';
import {
  buildRecordBatch,
  type FeatureRows,
  type FeatureSchema,
} from '../../src/export/features-table.ts';
import { openSinks } from '../../src/export/formats.ts';
import type { FormatName } from '../../src/options/extract-options.ts';
import type { OutputStore, WrittenFile } from '../../src/storage/output-store.ts';

/** A store in memory: what is in `files` is what was committed. */
export function memoryStore(): OutputStore & { files: Map<string, Buffer>; open: Set<string> } {
  const files = new Map<string, Buffer>();
  const open = new Set<string>();
  return {
    target: 'memory',
    files,
    open,
    async create(name) {
      const chunks: Buffer[] = [];
      open.add(name);
      return {
        // A copy: the writer may use its buffer again.
        write: async (bytes) => void chunks.push(Buffer.from(bytes)),
        async commit() {
          open.delete(name);
          const bytes = Buffer.concat(chunks);
          files.set(name, bytes);
          const sha256 = createHash('sha256').update(bytes).digest('hex');
          return { name, bytes: bytes.length, sha256 };
        },
        abort: async () => void open.delete(name),
      };
    },
    async list(folder) {
      const prefix = folder === '' ? '' : `${folder}/`;
      return [...files.keys()]
        .filter((name) => name.startsWith(prefix) && !name.slice(prefix.length).includes('/'))
        .map((name) => name.slice(prefix.length))
        .sort();
    },
    async *read(name) {
      yield files.get(name)!;
    },
    remove: async (name) => void files.delete(name),
  };
}

/** Names as people and attackers choose them. */
export const HOSTILE_NAMES = [
  '=HYPERLINK("http://x","y").jpg',
  '+1.jpg',
  '-1.jpg',
  '@SUM(A1).jpg',
  '\tTab.jpg',
  '\rReturn.jpg',
  '\nLine.jpg',
  "'quoted'.jpg",
  'a,b.jpg',
  'say "hi".jpg',
  'two\r\nlines.jpg',
  'back\\slash.jpg',
  'naïve – 漢字 – 🍎.jpg',
  'zero\u0000byte.jpg',
  '\u2028separator.jpg',
  ' leading and trailing ',
  '<script>alert(1)</script>.jpg',
  '%2F..%2F.jpg',
];

/** Rows with values that show a swapped row or column at once. */
export function sampleRows(
  n: number,
  length: number,
  k: number,
  names?: readonly string[],
): FeatureRows {
  const origins =
    names ?? Array.from({ length: n }, (_, i) => `in/${String(i).padStart(6, '0')}.jpg`);
  return {
    origins,
    targets: origins.map((_, i) => (names === undefined ? `class ${i % 7}` : names[n - 1 - i])),
    vectors: [Float32Array.from({ length: n * length }, (_, i) => i / 7 - 3)],
    reduced: [Float64Array.from({ length: n * k }, (_, i) => Math.sin(i + 1) * 50)],
  };
}

/** Writes one part after the other, `batches` of each in turn. */
export async function writeParts(
  store: OutputStore,
  formats: readonly FormatName[],
  schema: FeatureSchema,
  parts: readonly (readonly FeatureRows[])[],
  metadata: Record<string, string> = {},
): Promise<WrittenFile[]> {
  const rows = parts.flat().reduce((sum, { origins }) => sum + origins.length, 0);
  const sinks = await openSinks({ store, formats, schema, metadata, rows });
  for (let i = 0; i < parts.length; i++) {
    await sinks.beginPart(i);
    for (const part of parts[i]) await sinks.write(buildRecordBatch(schema, part));
    await sinks.endPart();
  }
  return sinks.finish();
}
