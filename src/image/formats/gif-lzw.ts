import { DecodeError } from '../decode-error.ts';

const MAX_CODES = 4096;

/**
 * Undoes GIF's LZW: exactly `count` palette indices, or an error. libvips takes a stream that ends
 * early for a picture with a transparent rest; Pillow refuses it, and so does this.
 *
 * @param data the minimum code size, then length-prefixed blocks
 * @throws DecodeError `truncated` when the data end before `count` indices, `corrupt` for an
 * impossible code
 */
export function decodeLzw(data: Uint8Array, count: number): Uint8Array {
  const rootBits = data[0];
  if (rootBits < 1 || rootBits > 11) throw impossible(`a code size of ${rootBits} bits`);
  const clear = 1 << rootBits;
  const end = clear + 1;
  // Each code is the string of another code and one more index.
  const prefix = new Uint16Array(MAX_CODES);
  const suffix = new Uint8Array(MAX_CODES);
  const stack = new Uint8Array(MAX_CODES + 1);
  const out = new Uint8Array(count);
  let filled = 0;
  let codeBits = rootBits + 1;
  let next = clear + 2;
  let previous = -1;
  let first = 0;
  let at = 1;
  let blockLeft = 0;
  let bits = 0;
  let bitCount = 0;
  while (filled < count) {
    while (bitCount < codeBits) {
      if (blockLeft === 0) {
        blockLeft = data[at++] ?? 0;
        if (blockLeft === 0) throw cutShort(filled, count);
      }
      bits |= data[at++] << bitCount;
      bitCount += 8;
      blockLeft--;
    }
    const code = bits & ((1 << codeBits) - 1);
    bits >>>= codeBits;
    bitCount -= codeBits;
    if (code === clear) {
      codeBits = rootBits + 1;
      next = clear + 2;
      previous = -1;
      continue;
    }
    if (code === end) throw cutShort(filled, count);
    if (previous < 0 ? code >= clear : code > next) throw impossible(`code ${code}`);
    let depth = 0;
    let link = code;
    if (previous >= 0 && code === next) {
      // The string that is about to be defined: the previous one and its own first index.
      stack[depth++] = first;
      link = previous;
    }
    while (link >= clear) {
      stack[depth++] = suffix[link];
      link = prefix[link];
    }
    first = link;
    stack[depth++] = first;
    while (depth > 0 && filled < count) out[filled++] = stack[--depth];
    if (previous >= 0 && next < MAX_CODES) {
      prefix[next] = previous;
      suffix[next] = first;
      next++;
      // A full table keeps its 12 bits until the next clear.
      if (next === 1 << codeBits && codeBits < 12) codeBits++;
    }
    previous = code;
  }
  return out;
}

function cutShort(filled: number, count: number): DecodeError {
  return new DecodeError(
    'truncated',
    `Expected a GIF frame of ${count} pixels but found data for ${filled}.`,
  );
}

function impossible(what: string): DecodeError {
  return new DecodeError('corrupt', `Expected undamaged GIF data but found ${what}.`);
}
