/*
 * The parts of a tar archive that we write (POSIX.1-2001, "pax Interchange Format"): plain files with nothing in
 * them that tells when and by whom they were made, so that the same files give the same bytes.
 *
 *     header, 512 bytes: name 0–99, mode 100, uid 108, gid 116, size 124, mtime 136, checksum 148, type 156,
 *     magic "ustar\0" "00" 257, prefix 345–499; then the content, padded with zeros to 512; at the end 1,024 zeros
 */

const BLOCK = 512;
/** The most that twelve octal digits less the NUL can say. */
const MAX_SIZE = 8 ** 11 - 1;

export const END_OF_ARCHIVE = new Uint8Array(2 * BLOCK);

/** Zeros that follow a content of that size. */
export function paddingOf(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The header of one file; a name that does not fit in it goes before it, as a pax record. */
export function tarHeader(path: string, size: number, isExecutable: boolean): Uint8Array {
  if (size > MAX_SIZE) throw new RangeError(`A file of ${size} bytes is too large for tar.`);
  const mode = isExecutable ? 0o755 : 0o644;
  const parts = splitName(Buffer.from(path));
  if (parts !== undefined) return header({ ...parts, size, mode, type: '0' });
  const record = paxRecord('path', path);
  return Buffer.concat([
    header({
      name: Buffer.from('pax'),
      prefix: Buffer.alloc(0),
      size: record.length,
      mode,
      type: 'x',
    }),
    record,
    paddingOf(record.length),
    header({
      name: Buffer.from(path).subarray(0, 100),
      prefix: Buffer.alloc(0),
      size,
      mode,
      type: '0',
    }),
  ]);
}

interface NameParts {
  readonly name: Buffer;
  readonly prefix: Buffer;
}

/** At a slash, so that both parts fit. */
function splitName(path: Buffer): NameParts | undefined {
  if (path.length <= 100) return { name: path, prefix: Buffer.alloc(0) };
  const slash = path.indexOf('/', path.length - 101);
  if (slash < 1 || slash > 155 || slash === path.length - 1) return undefined;
  return { name: path.subarray(slash + 1), prefix: path.subarray(0, slash) };
}

interface HeaderFields extends NameParts {
  readonly size: number;
  readonly mode: number;
  readonly type: '0' | 'x';
}

function header({ name, prefix, size, mode, type }: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, digits: number) =>
    block.write(`${value.toString(8).padStart(digits, '0')}\0`, offset);
  name.copy(block, 0);
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(0, 136, 11);
  block.write(' '.repeat(8), 148);
  block.write(type, 156);
  block.write('ustar\0' + '00', 257);
  prefix.copy(block, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** "<length> <key>=<value>\n", where the length counts its own digits. */
function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length)
    length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}
