import type { DirectDecoder } from './direct-decoder.ts';
import { openNativeJpeg } from './native-jpeg.ts';
import { openWasmJpeg } from './wasm-jpeg.ts';

let opened: Promise<DirectDecoder> | undefined;

/** This thread's decoder: libjpeg-turbo for this processor where `setup` has made it usable, else in WebAssembly. */
export async function directDecoder(): Promise<DirectDecoder> {
  opened ??= open();
  const decoder = await opened;
  if (!decoder.isSpent) return decoder;
  opened = open();
  return opened;
}

async function open(): Promise<DirectDecoder> {
  return openNativeJpeg() ?? (await openWasmJpeg());
}
