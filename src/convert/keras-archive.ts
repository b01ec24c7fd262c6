/**
 * A .keras file: a zip of metadata.json, config.json and model.weights.h5. HDF5 needs to seek, so
 * the weights are unpacked to a temporary file, streaming; they are never in memory as a whole.
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { isImg2FeaturesError, ModelError } from '../errors.ts';
import { MAX_JSON_BYTES } from '../json.ts';
import { damaged, type JsonObject, parseJsonObject } from './keras-json.ts';

const METADATA = 'metadata.json';
const CONFIG = 'config.json';
const WEIGHTS = 'model.weights.h5';

const MAX_ENTRIES = 10_000;
const MAX_WEIGHTS_BYTES = 64 * 1024 ** 3;
/** Keras stores weights uncompressed; compressed ones never shrink as much as a zip bomb does. */
const MAX_RATIO = 100;
const SMALL_BYTES = 64 * 1024 * 1024;

export interface KerasArchive {
  readonly metadata: JsonObject;
  readonly config: JsonObject;
  /** Temporary; `remove` deletes it. */
  readonly weightsPath: string;
  remove(): Promise<void>;
}

/**
 * @param tempParent an existing folder on the disk that is to hold the unpacked weights
 * @throws ModelError when it is no .keras file, damaged, or would unpack to an unreasonable size
 */
export async function unpackKerasArchive(
  path: string,
  tempParent: string,
  signal?: AbortSignal,
): Promise<KerasArchive> {
  let zip: ZipFile | undefined;
  let temp: string | undefined;
  try {
    zip = await yauzl.openPromise(path, { lazyEntries: true, autoClose: false });
    const entries = await listEntries(zip, path);
    const metadata = await readJson(zip, entries, METADATA);
    const config = await readJson(zip, entries, CONFIG);
    const weights = entryOf(entries, WEIGHTS);
    await checkWeightsSize(weights, path, tempParent);
    temp = await mkdtemp(join(tempParent, '.img2features-unpack-'));
    const weightsPath = join(temp, WEIGHTS);
    await pipeline(
      checkedChunks(zip, weights),
      createWriteStream(weightsPath),
      ...(signal ? [{ signal }] : []),
    );
    const folder = temp;
    return { metadata, config, weightsPath, remove: () => removeFolder(folder) };
  } catch (cause) {
    if (temp !== undefined) await removeFolder(temp);
    if (isImg2FeaturesError(cause) || signal?.aborted) throw cause;
    throw damaged(`a readable .keras archive in ${path}`, (cause as Error).message, cause);
  } finally {
    zip?.close();
  }
}

async function listEntries(zip: ZipFile, path: string): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  let count = 0;
  for await (const entry of zip.eachEntry()) {
    count++;
    if (count > MAX_ENTRIES) throw damaged(`a .keras archive in ${path}`, 'too many members');
    if (![METADATA, CONFIG, WEIGHTS].includes(entry.fileName)) continue;
    if (entries.has(entry.fileName)) throw damaged('each member once', `${entry.fileName} twice`);
    entries.set(entry.fileName, entry);
  }
  if (entries.size > 0) return entries;
  throw new ModelError(
    `Expected a .keras archive in ${path} but found a zip without ${CONFIG} and ${WEIGHTS}.`,
    { fix: 'Give the file that model.save("….keras") wrote.' },
  );
}

function entryOf(entries: ReadonlyMap<string, Entry>, name: string): Entry {
  const entry = entries.get(name);
  if (entry === undefined) throw damaged(`${name} in the .keras archive`, 'none');
  if (entry.isEncrypted()) throw damaged(`an open ${name} in the .keras archive`, 'it encrypted');
  return entry;
}

async function readJson(
  zip: ZipFile,
  entries: ReadonlyMap<string, Entry>,
  name: string,
): Promise<JsonObject> {
  const entry = entryOf(entries, name);
  if (entry.uncompressedSize > MAX_JSON_BYTES) {
    throw damaged(`at most ${MAX_JSON_BYTES} bytes of ${name}`, `${entry.uncompressedSize}`);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of checkedChunks(zip, entry)) chunks.push(chunk);
  return parseJsonObject(Buffer.concat(chunks).toString('utf8'), name);
}

/**
 * A member's bytes. yauzl fails when they are more or fewer than declared; the checksum, which finds
 * every other damage, is left to its users.
 */
async function* checkedChunks(zip: ZipFile, entry: Entry): AsyncGenerator<Buffer> {
  let sum = 0;
  for await (const chunk of await zip.openReadStreamPromise(entry)) {
    sum = crc32(chunk as Buffer, sum);
    yield chunk as Buffer;
  }
  if (sum !== entry.crc32) {
    throw damaged(`checksum ${entry.crc32} for ${entry.fileName}`, `${sum}`);
  }
}

async function checkWeightsSize(entry: Entry, path: string, tempParent: string): Promise<void> {
  const { compressedSize, uncompressedSize } = entry;
  if (
    uncompressedSize > MAX_WEIGHTS_BYTES ||
    (uncompressedSize > SMALL_BYTES && uncompressedSize > MAX_RATIO * compressedSize)
  ) {
    throw damaged(
      `weights in ${path}`,
      `${compressedSize} bytes that would unpack to ${uncompressedSize}`,
    );
  }
  const { bavail, bsize } = await statfs(tempParent);
  // Twice: the unpacked file and the converted shards.
  if (bavail * bsize < 2 * uncompressedSize) {
    throw new ModelError(
      `Expected ${2 * uncompressedSize} bytes of free disk beside the model but found ${bavail * bsize}.`,
      { fix: 'Free some space, or name an output folder on another disk.' },
    );
  }
}

async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}
