/** A decoder that costs little for each image, where sharp's set-up takes longer than a small JPEG. */
import type { JpegHeader } from './jpeg-header.ts';

/** One for each thread; both forms give the same bytes for what `suitsDirectPath` lets through. */
export interface DirectDecoder {
  /** sharp is faster for images of more pixels. */
  readonly maxPixels: number;
  /** It has failed in a way after which it cannot be used again. */
  readonly isSpent: boolean;
  /** Whether it can find damage in a file that sharp decodes, where sharp cannot. */
  judges(header: JpegHeader): boolean;
  /**
   * @param size as the header says
   * @param channels 3 (RGB, the default), or 4 for CMYK
   * @returns uint8 [height, width, channels], valid until the next call; undefined where the decoder fails or
   * warns: that decides, even if another decoder would accept the file
   */
  decode(
    bytes: Uint8Array,
    size: { readonly width: number; readonly height: number },
    channels?: 3 | 4,
  ): Uint8Array | undefined;
}
