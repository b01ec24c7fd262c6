import { Resizer } from '../../../dist/image/resize/resize.js';
import { convolveColumns, convolveRows } from '../../../dist/image/resize/resize-kernels.js';
import { computeTaps } from '../../../dist/image/resize/resize-taps.js';
import { processorMs, repeated } from '../lib/processor-time.mjs';
import { spread } from '../lib/statistics.mjs';

/** [width, height, side of the result] */
const CASES = [
  [100, 100, 10],
  [100, 100, 224],
  [500, 375, 224],
];
/** As many images as take about this long. */
const BUDGET_MS = 300;

/**
 * Processor time of Pillow's bicubic resize in one thread, with WebAssembly's vectors and in plain JavaScript; both must
 * give the same bytes.
 * @param {{ repeat: number }} options
 */
export async function* measure({ repeat }) {
  for (const [width, height, side] of CASES) {
    const source = Uint8Array.from(
      { length: width * height * 3 },
      (_, i) => (i * 2654435761) >>> 24,
    );
    const resizer = new Resizer(side, side, 'bicubic');
    const ways = {
      vectors: (out) => resizer.resize(source, width, height, out, 0),
      'plain JavaScript': plainResize(source, width, height, side),
    };
    const [ours, plain] = Object.values(ways).map((resize) => {
      const out = new Uint8Array(side * side * 3);
      resize(out);
      return out;
    });
    if (Buffer.compare(ours, plain) !== 0) throw new Error('Expected the same pixels.');
    for (const [name, resize] of Object.entries(ways)) {
      const out = ours;
      const once = await processorMs(() => resize(out));
      const count = Math.max(3, Math.min(5000, Math.round(BUDGET_MS / Math.max(0.02, once))));
      const found = await repeated(repeat, async () => {
        const ms = await processorMs(() => {
          for (let i = 0; i < count; i++) resize(out);
        });
        return ms / count;
      });
      const what = `${width}×${height} to ${side}×${side}, ${name}`;
      yield { stage: 'resize', what, unit: 'ms of one core an image', ...spread(found) };
    }
  }
}

function plainResize(source, width, height, side) {
  const across = computeTaps(width, side, 'bicubic');
  const down = computeTaps(height, side, 'bicubic');
  const between = new Uint8Array(side * height * 3);
  return (out) => {
    convolveRows(source, width, height, across, between, 0, side);
    convolveColumns(between, side * 3, down, out, 0, side);
  };
}
