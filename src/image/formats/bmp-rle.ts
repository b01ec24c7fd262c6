import { DecodeError } from '../decode-error.ts';

/**
 * Run-length coded BMP pixels, from `start` on, to one index a byte, rows as they are stored, as Pillow 13 does (before, it lost a
 * pixel in runs of odd length that are written out with 4 bits a pixel). Never more than `width * height` bytes.
 *
 * @throws DecodeError `truncated` where the codes end before the picture is full
 */
export function decodeBmpRle(
  file: Uint8Array,
  start: number,
  {
    width,
    height,
    bits,
  }: { readonly width: number; readonly height: number; readonly bits: number },
): Uint8Array {
  const out = new Uint8Array(width * height);
  const nibble = (byte: number, i: number) => (i % 2 === 0 ? byte >> 4 : byte & 15);
  let o = 0;
  // Where in its row a run begins; it stays at the end of a full row until the code for that row's end comes.
  let x = 0;
  let at = start;
  while (o < out.length && at + 2 <= file.length) {
    const count = file[at];
    const value = file[at + 1];
    at += 2;
    if (count > 0) {
      const fitting = Math.min(count, Math.max(0, width - x), out.length - o);
      for (let i = 0; i < fitting; i++) out[o++] = bits === 4 ? nibble(value, i) : value;
      x += fitting;
    } else if (value === 0) {
      o = Math.ceil(o / width) * width;
      x = 0;
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      if (at + 2 > file.length) break;
      o = Math.min(out.length, o + file[at] + file[at + 1] * width);
      x = o % width;
      at += 2;
    } else {
      const fitting = Math.min(value, out.length - o);
      const bytes = bits === 4 ? Math.ceil(fitting / 2) : fitting;
      if (at + bytes > file.length) break;
      for (let i = 0; i < fitting; i++) {
        out[o++] = bits === 4 ? nibble(file[at + (i >> 1)], i) : file[at + i];
      }
      x += value;
      // To an even position in the file.
      at += bytes;
      at += at % 2;
    }
  }
  if (o < out.length) {
    throw new DecodeError(
      'truncated',
      `Expected a BMP of ${out.length} pixels but found run lengths for ${o}.`,
    );
  }
  return out;
}
