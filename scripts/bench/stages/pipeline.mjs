import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { linkMany, linkSample } from '../lib/dataset.mjs';
import { spread, timedProcess } from '../lib/measure.mjs';

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));
const VGG16_IMAGES = 64;

/**
 * Whole processes, files to table: pixels on the dataset, on 10,000 and on 30,000 images, VGG16 on 64; each table verified.
 * @param {{ repeat: number, dataset: string, model: string, device: string, scratch: string, many: number[] }} options
 */
export async function* pipeline({ repeat, dataset, model, device, scratch, many }) {
  const pixels = ['--mode', 'pixels', '--format', 'parquet,json'];
  yield* await whole('pixels', [dataset, ...pixels], repeat);
  for (const count of many) {
    const dir = join(scratch, `many-${count}`);
    linkMany(dataset, count, dir);
    yield* await whole('pixels', [dir, ...pixels], Math.min(repeat, 3));
  }
  const list = linkSample(dataset, VGG16_IMAGES, join(scratch, 'vgg16'));
  const network = [list, '--mode', 'vgg16', '--model', model, '--device', device];
  yield* await whole('VGG16', network, Math.min(repeat, 3));

  async function whole(job, args, times) {
    const out = join(scratch, 'out');
    const runs = [];
    for (let i = 0; i < times; i++) {
      const command = [CLI, ...args, '--out', out, '--overwrite', '--quiet'];
      const { seconds, peakMB = 0 } = await timedProcess(process.execPath, command);
      runs.push({ seconds, peakMB, ...JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) });
    }
    execFileSync(process.execPath, [CLI, 'verify', out], { stdio: 'ignore' });
    const row = (name, unit, figure) => ({
      stage: 'pipeline',
      what: `${job}, ${runs[0].counts.extracted} images: ${name}`,
      unit,
      ...spread(runs.map(figure)),
    });
    const found = [
      row('whole process', 's', ({ seconds }) => seconds),
      row('peak memory, first process', 'MB', ({ peakMB }) => peakMB),
    ];
    if (job !== 'VGG16') return found;
    const rate = ({ stagesMs }) => stagesMs.pipelineImagesPerSecond;
    const share = (run) => (100 * rate(run)) / run.stagesMs.engineImagesPerSecond;
    return [
      ...found,
      row('files to table', 'images/s', rate),
      row('of the network alone', '%', share),
    ];
  }
}
