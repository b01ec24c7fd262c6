import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { linkSample } from '../lib/dataset.mjs';
import { inTurn, spread, timedProcess } from '../lib/measure.mjs';

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));
const IMAGES = 10;

/**
 * Whole processes whose time is mostly their start: the help, and ten images; after a first run that fills the caches.
 * @param {{ repeat: number, dataset: string, model: string, device: string, scratch: string }} options
 */
export async function* start({ repeat, dataset, model, device, scratch }) {
  const list = linkSample(dataset, IMAGES, join(scratch, 'start'));
  const run = [list, '--out', join(scratch, 'out'), '--overwrite', '--quiet'];
  const jobs = [
    { what: '--help', args: ['--help'] },
    { what: `pixels, ${IMAGES} images`, args: [...run, '--mode', 'pixels'] },
    {
      what: `VGG16, ${IMAGES} images`,
      args: [...run, '--mode', 'vgg16', '--model', model, '--device', device],
    },
  ];
  const times = await inTurn(jobs, repeat + 1, async ({ args }) => {
    return (await timedProcess(process.execPath, [CLI, ...args])).seconds;
  });
  for (const [i, { what }] of jobs.entries()) {
    yield { stage: 'start', what, unit: 's', ...spread(times[i].slice(1)) };
  }
}
