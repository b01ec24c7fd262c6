/** The dynamic section of a shared library for Linux (ELF, 64 bit, little endian): pairs of a tag and a value. */
const DYNAMIC_SEGMENT = 2;
const RPATH = 15n;
const RUNPATH = 29n;
const ENTRY_BYTES = 16;

/**
 * Takes the search path for other libraries out. One with empty entries names the folder that the process is
 * started in, where another user may have put a library of that name.
 * @param {Buffer} library
 * @returns {Buffer} a copy
 */
export function withoutRunpath(library) {
  const patched = Buffer.from(library);
  const { start, end } = dynamicSection(patched);
  const kept = [];
  for (let at = start; at < end; at += ENTRY_BYTES) {
    const tag = patched.readBigUInt64LE(at);
    if (tag !== RPATH && tag !== RUNPATH) kept.push(library.subarray(at, at + ENTRY_BYTES));
  }
  // The entries after it move up; zeros, the tag that ends the list, follow.
  patched.fill(0, start, end);
  Buffer.concat(kept).copy(patched, start);
  return patched;
}

/** @param {Buffer} library @returns {number[]} the tags up to the one that ends the list */
export function dynamicTags(library) {
  const { start, end } = dynamicSection(library);
  const tags = [];
  for (let at = start; at < end; at += ENTRY_BYTES) {
    const tag = Number(library.readBigUInt64LE(at));
    if (tag === 0) break;
    tags.push(tag);
  }
  return tags;
}

/** @param {Buffer} library @returns {{ start: number, end: number }} */
function dynamicSection(library) {
  const isElf64 = library.subarray(0, 6).equals(Buffer.from('\x7fELF\x02\x01', 'latin1'));
  if (!isElf64) throw new Error('Expected a 64-bit little-endian ELF file but found another.');
  const table = Number(library.readBigUInt64LE(0x20));
  const size = library.readUInt16LE(0x36);
  const count = library.readUInt16LE(0x38);
  for (let i = 0; i < count; i++) {
    const header = table + i * size;
    if (library.readUInt32LE(header) !== DYNAMIC_SEGMENT) continue;
    const start = Number(library.readBigUInt64LE(header + 8));
    return { start, end: start + Number(library.readBigUInt64LE(header + 32)) };
  }
  throw new Error('Expected a dynamic section in the shared library but found none.');
}
