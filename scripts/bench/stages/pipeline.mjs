import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { imagesOf, linkMany, sample } from '../lib/many-images.mjs';
import { round, spread } from '../lib/statistics.mjs';
import { timedProcess } from '../lib/timed-process.mjs';

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));
const VGG16_IMAGES = 64;

/**
 * Whole processes, files to table: pixels on the dataset, on 10,000 and on 30,000 images, VGG16 on 64; each table verified.
 * @param {{ repeat: number, dataset: string, model: string, device: string, scratch: string, many: number[] }} options
 */
export async function* measure({ repeat, dataset, model, device, scratch, many }) {
  const pixels = ['--mode', 'pixels', '--format', 'parquet,json'];
  yield* await whole('pixels', [dataset, ...pixels], repeat);
  for (const count of many) {
    const dir = join(scratch, `many-${count}`);
    linkMany(dataset, count, dir);
    yield* await whole('pixels', [dir, ...pixels], Math.min(repeat, 3));
  }
  const list = join(scratch, 'vgg16.txt');
  writeFileSync(list, `${sample(imagesOf(dataset), VGG16_IMAGES).join('\n')}\n`);
  const network = [list, '--mode', 'vgg16', '--model', model, '--device', device];
  yield* await whole('VGG16', network, Math.min(repeat, 3));

  async function whole(job, args, times) {
    const out = join(scratch, 'out');
    const runs = [];
    for (let i = 0; i < times; i++) {
      const command = [CLI, ...args, '--out', out, '--overwrite', '--quiet'];
      const { seconds, peakMB } = await timedProcess(process.execPath, command);
      runs.push({ seconds, peakMB, ...JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) });
    }
    execFileSync(process.execPath, [CLI, 'verify', out], { stdio: 'ignore' });
    const what = `${job}, ${runs[0].counts.extracted} images`;
    const row = (name, unit, values) => ({
      stage: 'pipeline',
      what: `${what}${name}`,
      unit,
      ...spread(values),
    });
    const found = [
      row(
        ': whole process',
        's',
        runs.map(({ seconds }) => seconds),
      ),
      row(
        ': peak memory, first process',
        'MB',
        runs.map(({ peakMB }) => peakMB ?? 0),
      ),
    ];
    if (job !== 'VGG16') return found;
    const share = ({ stagesMs: s }) => s.pipelineImagesPerSecond / s.engineImagesPerSecond;
    found.push(
      row(
        ': files to table',
        'images/s',
        runs.map(({ stagesMs }) => round(stagesMs.pipelineImagesPerSecond)),
      ),
      row(
        ': of the network alone',
        '%',
        runs.map((run) => 100 * share(run)),
      ),
    );
    return found;
  }
}
