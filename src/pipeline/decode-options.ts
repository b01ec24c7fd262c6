import type { DecodeOptions } from '../image/decoded-chunk.ts';
import { isGray } from '../model/topology-layers.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import type { Extractor } from './extractor/extractor.ts';

/** How the options ask for pixels. */
export function decodeOptions(
  options: ExtractOptions,
  { inputSize: [height, width], model }: Pick<Extractor, 'inputSize' | 'model'>,
): DecodeOptions {
  const isOfGray = model !== undefined && isGray(model.topology);
  return {
    width,
    height,
    resize: options.resize,
    exif: options.exif,
    channels: isOfGray ? 'gray' : options.seedCompat ? 'bgr' : 'rgb',
    maxPixels: options.maxPixels * 1e6,
    tiff: options.tiff,
  };
}
