import type { SourceEntry } from '../source/source.ts';

/**
 * A million SourceEntries in some 150 MB: as objects they take three times that, and the garbage
 * collector walks them all. Each is one record of UTF-8 in a block; numbers are in typed arrays; a
 * location is kept as what it does not share with the end of its origin.
 *
 *     record: origin, target, version, stamp, labels, one after the other; their lengths are in #fields
 */
export class EntryTable {
  readonly #blocks: Buffer[] = [];
  /** Bytes used in the last block. */
  #used = 0;
  /** For each entry: block, offset in it, bytes of origin, of target, of version, of stamp, head, shared characters, bytes of labels. */
  #fields = new Uint32Array(FIELDS * 1024);
  #sizes = new Float64Array(1024);
  #count = 0;
  readonly #heads: string[] = [];
  readonly #headIds = new Map<string, number>();
  /** Bytes that all origins begin with; comparing starts after them. */
  #common = Number.POSITIVE_INFINITY;

  get count(): number {
    return this.#count;
  }

  /** @returns the number of the entry, counted in the order of adding */
  add(entry: SourceEntry): number {
    const { origin, target, location, size, version, stamp = '' } = entry;
    const labels = printLabels(entry);
    const shared = commonSuffix(origin, location);
    const head = this.#headOf(location.slice(0, location.length - shared));
    const start = this.#reserve(
      (origin.length + target.length + version.length + stamp.length + labels.length) * 3,
    );
    this.#grow();
    const block = this.#blocks.length - 1;
    const bytes = this.#blocks[block];
    const originEnd = start + bytes.write(origin, start);
    const targetEnd = originEnd + bytes.write(target, originEnd);
    const versionEnd = targetEnd + bytes.write(version, targetEnd);
    const stampEnd = versionEnd + bytes.write(stamp, versionEnd);
    this.#used = stampEnd + bytes.write(labels, stampEnd);
    const i = this.#count++;
    const fields = this.#fields;
    const f = i * FIELDS;
    fields[f] = block;
    fields[f + 1] = start;
    fields[f + 2] = originEnd - start;
    fields[f + 3] = targetEnd - originEnd;
    fields[f + 4] = versionEnd - targetEnd;
    fields[f + 5] = stampEnd - versionEnd;
    fields[f + 6] = head;
    fields[f + 7] = shared;
    fields[f + 8] = this.#used - stampEnd;
    this.#sizes[i] = size;
    this.#narrowCommon(i);
    return i;
  }

  get(i: number): SourceEntry {
    const fields = this.#fields;
    const f = i * FIELDS;
    const bytes = this.#blocks[fields[f]];
    const originEnd = fields[f + 1] + fields[f + 2];
    const targetEnd = originEnd + fields[f + 3];
    const origin = bytes.toString('utf8', fields[f + 1], originEnd);
    const versionEnd = targetEnd + fields[f + 4];
    const head = this.#heads[fields[f + 6]];
    const shared = fields[f + 7];
    const stampEnd = versionEnd + fields[f + 5];
    return {
      origin,
      target: bytes.toString('utf8', originEnd, targetEnd),
      location: shared === 0 ? head : head + origin.slice(origin.length - shared),
      size: this.#sizes[i],
      version: bytes.toString('utf8', targetEnd, versionEnd),
      ...(fields[f + 5] > 0 && { stamp: bytes.toString('utf8', versionEnd, stampEnd) }),
      ...(fields[f + 8] > 0 &&
        JSON.parse(bytes.toString('utf8', stampEnd, stampEnd + fields[f + 8]))),
    };
  }

  origin(i: number): string {
    const f = i * FIELDS;
    const start = this.#fields[f + 1];
    return this.#blocks[this.#fields[f]].toString('utf8', start, start + this.#fields[f + 2]);
  }

  /** Whether the entry has a split or kept texts. */
  isLabelled(i: number): boolean {
    return this.#fields[i * FIELDS + 8] > 0;
  }

  /** Size of the image in bytes. */
  size(i: number): number {
    return this.#sizes[i];
  }

  /** Numbers of all entries, ordered by the bytes of their origins. */
  sorted(): Uint32Array {
    const order = Uint32Array.from({ length: this.#count }, (_, i) => i);
    for (let i = 1; i < order.length; i++) {
      // Listings mostly come in order; then no sort is needed.
      if (this.compare(i - 1, i) > 0) return order.sort((a, b) => this.compare(a, b));
    }
    return order;
  }

  /** Compares two origins by their UTF-8 bytes: negative, 0 or positive. */
  compare(i: number, j: number): number {
    const fields = this.#fields;
    const a = this.#blocks[fields[i * FIELDS]];
    const b = this.#blocks[fields[j * FIELDS]];
    const aStart = fields[i * FIELDS + 1];
    const bStart = fields[j * FIELDS + 1];
    const aLength = fields[i * FIELDS + 2];
    const bLength = fields[j * FIELDS + 2];
    const n = Math.min(aLength, bLength);
    for (let k = this.#common; k < n; k++) {
      const difference = a[aStart + k] - b[bStart + k];
      if (difference !== 0) return difference;
    }
    return aLength - bLength;
  }

  #narrowCommon(i: number): void {
    const fields = this.#fields;
    const first = this.#blocks[fields[0]];
    const bytes = this.#blocks[fields[i * FIELDS]];
    const n = Math.min(this.#common, fields[2], fields[i * FIELDS + 2]);
    let k = 0;
    while (k < n && first[fields[1] + k] === bytes[fields[i * FIELDS + 1] + k]) k++;
    this.#common = k;
  }

  #reserve(bytes: number): number {
    const last = this.#blocks.at(-1);
    if (last !== undefined && this.#used + bytes <= last.length) return this.#used;
    this.#blocks.push(Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, bytes)));
    this.#used = 0;
    return 0;
  }

  #grow(): void {
    if (this.#count < this.#sizes.length) return;
    const fields = new Uint32Array(this.#fields.length * 2);
    fields.set(this.#fields);
    this.#fields = fields;
    const sizes = new Float64Array(this.#sizes.length * 2);
    sizes.set(this.#sizes);
    this.#sizes = sizes;
  }

  #headOf(head: string): number {
    const known = this.#headIds.get(head);
    if (known !== undefined) return known;
    this.#headIds.set(head, this.#heads.length);
    return this.#heads.push(head) - 1;
  }
}

/** The split and the kept texts of an entry as JSON; '' where it has none. */
function printLabels({ split, kept }: SourceEntry): string {
  return split === undefined && kept === undefined ? '' : JSON.stringify({ split, kept });
}

const FIELDS = 9;
const BLOCK_BYTES = 1 << 20;

function commonSuffix(a: string, b: string): number {
  const n = Math.min(a.length, b.length);
  let shared = 0;
  while (
    shared < n &&
    a.charCodeAt(a.length - 1 - shared) === b.charCodeAt(b.length - 1 - shared)
  ) {
    shared++;
  }
  return shared;
}
