import type { OutputStore, WrittenFile } from './output-store.ts';

/** Writes a small file in one go. @throws ExportError; nothing is left of it then */
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

/** The bytes of a small committed file. @throws ExportError when there is none */
export async function readWhole(store: OutputStore, name: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of store.read(name)) pieces.push(piece);
  return Buffer.concat(pieces);
}
