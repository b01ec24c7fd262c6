import { ExportError } from '../errors.ts';
import type { OutputStore, WrittenFile } from './output-store.ts';

/** Writes a small file. @throws ExportError; nothing is left of it then */
export async function writeWhole(
  store: OutputStore,
  name: string,
  bytes: Uint8Array,
): Promise<WrittenFile> {
  const file = await store.create(name);
  try {
    await file.write(bytes);
    return await file.commit();
  } catch (error) {
    await file.abort();
    throw error;
  }
}

/** The bytes of a small committed file. @throws ExportError when there is none, or it is larger than `mostBytes` */
export async function readWhole(
  store: OutputStore,
  name: string,
  mostBytes = Number.POSITIVE_INFINITY,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of store.read(name)) {
    bytes += piece.byteLength;
    if (bytes > mostBytes) {
      throw new ExportError(
        `Expected at most ${mostBytes} bytes in ${name} of ${store.target} but found more.`,
        { fix: 'The file is damaged: restore it.' },
      );
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
