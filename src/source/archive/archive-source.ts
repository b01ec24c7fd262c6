import { basename, posix, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DecodeError } from '../../image/decode-error.ts';
import type { ListedFile } from '../../image/decoded-chunk.ts';
import { contentOffset, type FilePart, LOCAL_HEADER, unpackPart } from '../../image/file-part.ts';
import { mapOrdered } from '../../map-ordered.ts';
import { NameRule } from '../../options/name-rule.ts';
import { isInStore } from '../../place.ts';
import { encodeKey } from '../../s3/direct-get.ts';
import { parseS3Url } from '../../s3/s3-address.ts';
import type { S3SourceOptions } from '../s3-source.ts';
import { commonFolder } from '../several-files.ts';
import { type Listed, originOf, rejected, type Source, type SourceEntry } from '../source.ts';
import { type ArchiveBytes, FILE_ARCHIVES } from './archive-bytes.ts';
import type { Member } from './member.ts';
import { objectArchives } from './object-archives.ts';
import { SampleLabels } from './sample-labels.ts';
import { tarMembers } from './tar-members.ts';
import { unpackGzip } from './unpack-gzip.ts';
import { zipMembers } from './zip-members.ts';

/** Archives that are listed at once: of a store, each waits for its answers. */
const IN_FLIGHT = { files: 1, objects: 8 };
/** Members listed before others get a turn. */
const MEMBERS_A_TURN = 1000;

const EXTENSION = /\.(tar|tar\.gz|tgz|zip)$/i;

/** Whether an input is one archive, or several written with braces. */
export function isArchiveName(input: string): boolean {
  return EXTENSION.test(input);
}

/**
 * Images in archives: `.tar`, `.tar.gz`, `.zip`, on a disk or in a store, one or several (`train-{000..127}.tar`). Members
 * are read at their place in the archive, nothing is unpacked but a `.tar.gz` (see unpackGzip). The class of an image is its
 * folder in the archive or, of a WebDataset sample, what its .cls, .json or .txt says (see SampleLabels).
 */
export function openArchiveSource(input: string, options: S3SourceOptions): Source {
  const { names = new NameRule(), originForm } = options;
  const inStore = isInStore(input, 'the input');
  const archives = inStore ? objectArchives(options.s3) : FILE_ARCHIVES;
  /** By where they are, which is the part of `location` before the member's name; once they are known. */
  let places: ReadonlyMap<string, string> = new Map();
  let front: string | undefined;
  /** For each of them, once it was opened, the file on a disk that its members are read from. */
  const onDisk = new Map<string, string>();
  const labelled = { cls: 0, json: 0, txt: 0 };

  return {
    input,
    isLocal: !inStore,
    isInStore: inStore,
    extensions: names.extensions,
    async *list(signal) {
      await findPlaces(signal);
      const inFlight = inStore ? IN_FLIGHT.objects : IN_FLIGHT.files;
      const all = mapOrdered(places, inFlight, ([place, name]) => listOne(place, name, signal));
      for await (const listed of all) yield* listed;
    },
    fileOf(entry: SourceEntry) {
      const path = onDisk.get(archiveOf(entry.location));
      return path === undefined ? undefined : { path, listed: listedOf(entry) };
    },
    async read(entry, signal) {
      if (places.size === 0) await findPlaces(signal);
      const place = archiveOf(entry.location);
      const path = await pathOnDisk(place, signal);
      return path === undefined
        ? archives.read(place, listedOf(entry), signal)
        : FILE_ARCHIVES.read(path, listedOf(entry), signal);
    },
    notes() {
      const { json, txt } = labelled;
      const from = [
        ...(json > 0 ? [`of ${json} from their .json`] : []),
        ...(txt > 0 ? [`of ${txt} from their .txt`] : []),
      ];
      return from.length === 0 ? [] : [`Classes ${from.join(' and ')}, which have no .cls.`];
    },
    close: () => archives.close(),
  };

  async function findPlaces(signal: AbortSignal): Promise<void> {
    const given = await archives.named(input, signal);
    places = new Map(given.map((name) => [inStore ? name : resolve(name), name]));
    front = given.length > 1 ? commonFolder(input) : undefined;
  }

  /** @returns undefined where it is read in its store */
  async function pathOnDisk(place: string, signal: AbortSignal): Promise<string | undefined> {
    const known = onDisk.get(place);
    if (known !== undefined) return known;
    const isGzip = /\.(tar\.gz|tgz)$/i.test(place);
    const path = isGzip ? await unpackGzip(place, archives, signal) : inStore ? undefined : place;
    if (path !== undefined) onDisk.set(place, path);
    return path;
  }

  async function listOne(place: string, name: string, signal: AbortSignal): Promise<Listed[]> {
    const path = await pathOnDisk(place, signal);
    const bytes = await (path === undefined
      ? archives.open(place, signal)
      : FILE_ARCHIVES.open(path, signal));
    try {
      return await listMembers(place, name, bytes, signal);
    } finally {
      bytes.close();
    }
  }

  async function listMembers(
    place: string,
    name: string,
    bytes: ArchiveBytes,
    signal: AbortSignal,
  ): Promise<Listed[]> {
    const labels = new SampleLabels((member) => contentOf(bytes, member, signal));
    const listed: Listed[] = [];
    const images: Member[] = [];
    const skippedFolders = new Set<string>();
    let count = 0;
    const members = /\.zip$/i.test(place) ? zipMembers : tarMembers;
    for await (const found of members(bytes, place, signal)) {
      if (++count % MEMBERS_A_TURN === 0) await nextTurn();
      const member = { ...found, name: found.name.replace(/^(\.\/+)+/, '') };
      const folder = names.excludedFolder(member.name);
      if (folder !== undefined) {
        // As on a disk, a folder counts as one.
        if (!skippedFolders.has(folder)) listed.push(skipped(names.whyNotFolder(folder)!));
        skippedFolders.add(folder);
        continue;
      }
      const why = names.whyNotFile(member.name);
      const fault = member.fault ?? leadsOut(member.name);
      if (why !== undefined) {
        if (!labels.add(member)) listed.push(skipped(why));
      } else if (fault !== undefined) {
        listed.push(rejected(originFor(name, place, member.name), fault.reason, fault.message));
      } else images.push(member);
    }
    // A sample's class may stand behind its image.
    for (const image of images) listed.push(await withClass(image, { name, place }, bytes, labels));
    for (const kind of ['cls', 'json', 'txt'] as const) labelled[kind] += labels.used[kind];
    return listed;
  }

  async function withClass(
    { name: path, size, part }: Member,
    { name, place }: { readonly name: string; readonly place: string },
    { version }: { readonly version: string },
    labels: SampleLabels,
  ): Promise<Listed> {
    const origin = originFor(name, place, path);
    try {
      const folder = posix.basename(posix.dirname(path));
      const target = (await labels.labelOf(path)) ?? (folder === '.' ? stemOf(name) : folder);
      const location = `${place}/${path}`;
      const entry = { origin, target, location, size, version: versionOf(version, part!) };
      return { kind: 'image', entry };
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return rejected(origin, error.reason, `The file of its class: ${error.message}`);
    }
  }

  /** `path`: the archive as given, a slash, the member; `relative`: the member, after the name of its archive where there are several. */
  function originFor(name: string, place: string, path: string): string {
    if (originForm === 'relative')
      return front === undefined ? path : `${name.slice(front.length)}/${path}`;
    if (!inStore)
      return originOf(originForm, { input: name, relative: path, path: `${place}/${path}` });
    const { scheme, bucket, key } = parseS3Url(name);
    const whole = `${key}/${path}`;
    return `${originForm === 'url' ? scheme : 's3'}://${bucket}/${originForm === 'url' ? encodeKey(whole) : whole}`;
  }

  function archiveOf(location: string): string {
    for (let at = location.indexOf('/', 1); at !== -1; at = location.indexOf('/', at + 1)) {
      const place = location.slice(0, at);
      if (places.has(place)) return place;
    }
    throw new Error(`no archive of this input has ${location}`);
  }
}

function skipped(why: string): Listed {
  return { kind: 'skipped', why };
}

/** Nothing is unpacked, so such a name does no harm here; but its origin would, where it is taken for a path. */
function leadsOut(path: string): Member['fault'] {
  if (!path.startsWith('/') && !path.split('/').includes('..')) return undefined;
  const message = 'Expected a path inside the archive but found one that leads out of it.';
  return { reason: 'unreadable', message };
}

/** @throws DecodeError `corrupt` */
async function contentOf(
  bytes: ArchiveBytes,
  { size, part }: Member,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { from, stored, crc32 } = part!;
  const skip =
    crc32 === undefined ? 0 : contentOffset(await bytes.peek(from, LOCAL_HEADER, signal));
  return unpackPart(await bytes.peek(from + skip, stored, signal), part!, size);
}

/** Of an entry's version: its archive's, then where the member is; with it a member is read without a listing. */
const VERSION = /^(.*) (\d+)\+(\d+)([sd])([0-9a-f]*)$/;

function versionOf(archive: string, { from, stored, isDeflated, crc32 }: FilePart): string {
  return `${archive} ${from}+${stored}${isDeflated ? 'd' : 's'}${crc32?.toString(16) ?? ''}`;
}

function listedOf({ size, version: all }: SourceEntry): ListedFile {
  const [, version, from, stored, how, crc] = VERSION.exec(all)!;
  const part = {
    from: Number(from),
    stored: Number(stored),
    isDeflated: how === 'd',
    ...(crc !== '' && { crc32: Number.parseInt(crc, 16) }),
  };
  return { size, version, part };
}

/** `train-000` of `shards/train-000.tar`. */
function stemOf(archive: string): string {
  return basename(archive).replace(EXTENSION, '');
}
