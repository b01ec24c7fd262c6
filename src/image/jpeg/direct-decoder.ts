/** Decoders that cost little for each image, where sharp's set-up takes longer than a small JPEG. */
import { openNativeJpeg } from './native-jpeg.ts';
import { openWasmJpeg } from './wasm-jpeg.ts';

/** One for each thread; both forms give the same bytes for what `suitsDirectPath` lets through. */
export interface DirectDecoder {
  /** sharp is faster for images of more pixels. */
  readonly maxPixels: number;
  /** It has failed in a way that leaves nothing to go on with. */
  readonly isSpent: boolean;
  /**
   * @param size as the header says
   * @returns uint8 RGB [height, width, 3], valid until the next call; undefined where the decoder fails or warns:
   * sharp then gives the verdict and the message
   */
  decode(
    bytes: Uint8Array,
    size: { readonly width: number; readonly height: number },
  ): Uint8Array | undefined;
}

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
