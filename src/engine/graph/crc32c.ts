/*
 * CRC-32C (Castagnoli), reflected, by eight tables ("slicing by 8"): what TensorFlow's checkpoints
 * are checked with. zlib's CRC-32 is another polynomial.
 */

const POLYNOMIAL = 0x82f63b78;

/** Table k gives the effect of a byte that k more bytes follow. */
const TABLES = createTables();

/**
 * @param crc what came before; 0 at the start.
 * @returns unsigned 32 bits.
 */
export function crc32c(bytes: Uint8Array, crc = 0): number {
  const t = TABLES;
  let state = ~crc;
  let i = 0;
  const word = (at: number) =>
    bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
  for (const end = bytes.length - 7; i < end; i += 8) {
    const low = state ^ word(i);
    const high = word(i + 4);
    state =
      t[1792 + (low & 255)] ^
      t[1536 + ((low >>> 8) & 255)] ^
      t[1280 + ((low >>> 16) & 255)] ^
      t[1024 + (low >>> 24)] ^
      t[768 + (high & 255)] ^
      t[512 + ((high >>> 8) & 255)] ^
      t[256 + ((high >>> 16) & 255)] ^
      t[high >>> 24];
  }
  for (; i < bytes.length; i++) state = t[(state ^ bytes[i]) & 255] ^ (state >>> 8);
  return ~state >>> 0;
}

/**
 * The form in which LevelDB and TensorFlow store a CRC: rotated and shifted, because the CRC of data
 * that holds its own CRC is of little use.
 */
export function maskCrc(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

function createTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    tables[i] = tables[tables[i - 256] & 255] ^ (tables[i - 256] >>> 8);
  }
  return tables;
}
