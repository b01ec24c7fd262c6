/** A decoder that costs little for each image, where sharp's set-up takes longer than a small JPEG. */

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
