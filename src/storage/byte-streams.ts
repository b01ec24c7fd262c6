/** Takes exact numbers of bytes from a stream of chunks; reads no further than requested. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Fills `target` and returns how many bytes there were: fewer only at the end. */
  async fill(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      if (this.#chunk.length === 0) {
        const { done, value } = await this.#chunks.next();
        if (done) break;
        this.#chunk = value;
      }
      const taken = this.#chunk.subarray(0, target.length - filled);
      target.set(taken, filled);
      filled += taken.length;
      this.#chunk = this.#chunk.subarray(taken.length);
    }
    return filled;
  }
}

/** Longer than any row: a vector of 3 million values is 40 MB. */
const MAX_LINE = 1 << 28;

/**
 * Lines of UTF-8 text without their LF; a last line without LF counts. Memory is bounded by the longest line.
 * @throws RangeError for a line that no file of ours holds
 */
export async function* textLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  // Pieces of the line that has not ended yet: joined once at the end.
  let pieces: string[] = [];
  let length = 0;
  const add = (piece: string): void => {
    length += piece.length;
    if (length > MAX_LINE) throw new RangeError(`a line of more than ${MAX_LINE} characters`);
    pieces.push(piece);
  };
  for await (const chunk of bytes) {
    const lines = decoder.decode(chunk, { stream: true }).split('\n');
    for (const [i, line] of lines.entries()) {
      add(line);
      if (i === lines.length - 1) break;
      yield pieces.length === 1 ? line : pieces.join('');
      pieces = [];
      length = 0;
    }
  }
  add(decoder.decode());
  const rest = pieces.join('');
  if (rest !== '') yield rest;
}
