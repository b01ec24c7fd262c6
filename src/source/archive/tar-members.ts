/**
 * The members of a tar: POSIX ustar and pax (IEEE Std 1003.1, pax, "ustar Interchange Format" and "pax Header Block"), and
 * GNU's long names and large numbers (GNU tar manual, "Basic Tar Format"). Only headers are read, never the content.
 */
import type { FilePart } from '../../image/file-part.ts';
import type { ArchiveBytes } from './archive-bytes.ts';
import { damagedArchive, type Member, nameless, utf8Of } from './member.ts';

const BLOCK = 512;
/** Of a header that only lengthens a name; more is damage. */
const MOST_TEXT_BYTES = 1 << 20;

interface Header {
  readonly name: Buffer;
  readonly linkName: Buffer;
  readonly size: number;
  readonly type: string;
}

/** What pax and GNU headers say of the member that follows. */
interface Extra {
  name?: Buffer;
  linkName?: Buffer;
  size?: number;
  isSparse?: boolean;
}

/**
 * In the order of the archive; links between members stand at its end. Archives that were joined are read on.
 * @param archive its name, for messages
 * @throws SourceError where it ends early or a header is damaged
 */
export async function* tarMembers(
  bytes: ArchiveBytes,
  archive: string,
  signal: AbortSignal,
): AsyncGenerator<Member> {
  const links: { name: Buffer; to: string }[] = [];
  for await (const { header, extra, from } of tarHeaders(bytes, archive, signal)) {
    const name = extra.name ?? header.name;
    const size = header.size;
    if (header.type === '1' || header.type === '2') {
      const target = (extra.linkName ?? header.linkName).toString();
      const folder = header.type === '2' ? name.toString().replace(/[^/]*$/, '') : '';
      links.push({ name, to: plainPath(folder + target) });
    } else if (extra.isSparse || header.type === 'S') {
      const message =
        'Expected a member stored whole but found one with holes; pack it without --sparse.';
      yield { ...named(name, size), fault: { reason: 'unreadable', message } };
    } else if (header.type === '0' || header.type === '\0' || header.type === '7') {
      yield named(name, size, { from, stored: size, isDeflated: false });
    } else if (header.type !== '5') {
      const message = 'Expected a regular file but found a device, pipe or another kind of member.';
      yield { ...named(name, size), fault: { reason: 'not_a_file', message } };
    }
  }
  if (links.length > 0) yield* linkedMembers(bytes, archive, links, signal);
}

/** A second walk finds what links lead to: a hard link is how tar stores a file that it has stored before. */
async function* linkedMembers(
  bytes: ArchiveBytes,
  archive: string,
  links: readonly { readonly name: Buffer; readonly to: string }[],
  signal: AbortSignal,
): AsyncGenerator<Member> {
  const places = new Map<string, FilePart | undefined>(links.map(({ to }) => [to, undefined]));
  const folders = new Set<string>();
  for await (const { header, extra, from } of tarHeaders(bytes, archive, signal)) {
    const name = plainPath((extra.name ?? header.name).toString());
    if (header.type === '5') folders.add(name);
    const isFile = header.type === '0' || header.type === '\0' || header.type === '7';
    if (!isFile || extra.isSparse || !places.has(name)) continue;
    places.set(name, { from, stored: header.size, isDeflated: false });
  }
  for (const { name, to } of links) {
    const place = places.get(to);
    if (place === undefined && folders.has(to)) continue;
    const message = `Expected a file but found a link to ${to}, which the archive has not, or only as another link.`;
    yield place === undefined
      ? { ...named(name, 0), fault: { reason: 'broken_link', message } }
      : named(name, place.stored, place);
  }
}

function named(bytes: Buffer, size: number, part?: FilePart): Member {
  const name = utf8Of(bytes);
  if (name === undefined) return nameless(bytes, size);
  return { name, size, ...(part && { part }) };
}

/** Without `.` and `..`, as a link inside an archive means it. */
function plainPath(path: string): string {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '.' && name !== '') names.push(name);
  }
  return names.join('/');
}

interface FoundHeader {
  readonly header: Header;
  readonly extra: Extra;
  /** Of the content. */
  readonly from: number;
}

async function* tarHeaders(
  bytes: ArchiveBytes,
  archive: string,
  signal: AbortSignal,
): AsyncGenerator<FoundHeader> {
  let extra: Extra = {};
  for (let at = 0; at < bytes.size; ) {
    signal.throwIfAborted();
    const block = await bytes.peek(at, BLOCK, signal);
    if (block.length < BLOCK)
      throw damagedArchive(archive, `that it ends inside a header at byte ${at}`);
    if (isZero(block)) {
      at += BLOCK; // the end, or that of one of several archives that were joined
      continue;
    }
    const header = parseHeader(block, extra.size);
    if (header === undefined) throw damagedArchive(archive, `no header of a tar at byte ${at}`);
    const from = at + BLOCK;
    if (from + header.size > bytes.size) {
      const name = extra.name ?? header.name;
      throw damagedArchive(archive, `that it ends inside ${name}, at byte ${bytes.size}`);
    }
    at = from + Math.ceil(header.size / BLOCK) * BLOCK;
    if ('xgLK'.includes(header.type)) {
      if (header.size > MOST_TEXT_BYTES)
        throw damagedArchive(archive, `a name of ${header.size} bytes`);
      const text = await bytes.peek(from, header.size, signal);
      if (header.type === 'g') continue;
      const more = readExtra(header.type, text);
      if (more === undefined)
        throw damagedArchive(archive, `a damaged header of names and sizes at byte ${from}`);
      extra = { ...extra, ...more };
      continue;
    }
    yield { header, extra, from };
    extra = {};
  }
}

function isZero(block: Buffer): boolean {
  return block[0] === 0 && block.every((byte) => byte === 0);
}

/** @param size of the content, where a pax header said it @returns undefined where the checksum is not right */
function parseHeader(block: Buffer, size: number | undefined): Header | undefined {
  let sum = 8 * 0x20; // the checksum counts as spaces
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i];
  if (numberOf(block.subarray(148, 156)) !== sum) return undefined;
  const type = String.fromCharCode(block[156]);
  const name = textOf(block.subarray(0, 100));
  // GNU's own format has other things where POSIX has the front of a long name.
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? textOf(block.subarray(345, 500)) : Buffer.alloc(0);
  const given = size ?? numberOf(block.subarray(124, 136));
  if (given === undefined) return undefined;
  const whole = prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : name;
  const isFolder = type === '5' || (type === '\0' && whole.at(-1) === 0x2f);
  // Links and folders have no content, whatever their header says.
  const hasContent = !isFolder && !'12346'.includes(type);
  return {
    name: whole,
    linkName: textOf(block.subarray(157, 257)),
    size: hasContent ? given : 0,
    type: isFolder ? '5' : type,
  };
}

function textOf(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return Buffer.from(end === -1 ? field : field.subarray(0, end));
}

/** Octal digits, or GNU's bytes with the highest bit set. */
function numberOf(field: Buffer): number | undefined {
  if (field[0] === 0x80) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const text = field
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .trimStart();
  return /^[0-7]*$/.test(text) ? Number.parseInt(text || '0', 8) : undefined;
}

/** @returns undefined where it is damaged: the member that follows would have another name or end */
function readExtra(type: string, text: Buffer): Extra | undefined {
  if (type === 'L') return { name: textOf(text) };
  if (type === 'K') return { linkName: textOf(text) };
  const extra: Extra = {};
  for (const record of paxRecords(text)) {
    if (record === undefined) return undefined;
    const [key, value] = record;
    if (key === 'path') extra.name = value;
    else if (key === 'linkpath') extra.linkName = value;
    else if (key === 'size') {
      if (!/^\d{1,15}$/.test(value.toString())) return undefined;
      extra.size = Number(value);
    } else if (key.startsWith('GNU.sparse.')) extra.isSparse = true;
  }
  return extra;
}

/** Each is `length key=value\n`, the length that of the whole record in bytes; undefined for one that is not. */
function* paxRecords(text: Buffer): Generator<[string, Buffer] | undefined> {
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(0x20, at);
    const length = Number(text.toString('latin1', at, space));
    const equals = text.indexOf(0x3d, space);
    const end = at + length - 1;
    if (space === -1 || !(equals > space && equals < end && text[end] === 0x0a)) {
      yield undefined;
      return;
    }
    yield [text.toString('utf8', space + 1, equals), text.subarray(equals + 1, end)];
    at += length;
  }
}
