import type { Device } from '../runtime/choose-device.ts';

export interface NetworkRate {
  readonly device: Device;
  readonly imagesPerSecond: number;
  /** Where the figure is from. */
  readonly from: 'run' | 'doctor' | 'dry-run';
}

/** JSON-able; seconds. */
export interface ExpectedTime {
  readonly seconds: number;
  readonly least: number;
  readonly most: number;
}

/** Starting, listing, fitting and writing: for any number of images. */
const FIXED_SECONDS = { pixels: 0.8, network: 3 } as const;

/**
 * How long a run should take. On a GPU decoding and the network run in parallel, on a CPU they share
 * its cores. The range shows how exact such figures are: what is measured in two seconds on a few images may be
 * off by a half, a rate of a whole run by a quarter.
 * @param decodePerSecond null where nothing could be tried
 */
export function expectedTime(
  images: number,
  decodePerSecond: number | null,
  network: NetworkRate | 'none' | undefined,
): ExpectedTime | undefined {
  if (network === undefined || decodePerSecond === null) return undefined;
  const decode = images / decodePerSecond;
  if (network === 'none') return range(FIXED_SECONDS.pixels + decode, 0.6, 1.8);
  const compute = images / network.imagesPerSecond;
  const work = network.device === 'cuda' ? Math.max(decode, compute) : decode + compute;
  const isOfRun = network.from === 'run';
  return range(FIXED_SECONDS.network + work, isOfRun ? 0.8 : 0.65, isOfRun ? 1.3 : 1.6);
}

function range(seconds: number, least: number, most: number): ExpectedTime {
  return { seconds, least: seconds * least, most: seconds * most };
}
