/**
 * VGG16 features with onnxruntime-node and sharp, as a Node program would do it:
 *   node onnx-node.mjs <list> <model.onnx> <out.json> <folder whose node_modules hold onnxruntime-node>
 *
 * sharp's resize is not Pillow's, so its features are near ours, not equal. No PCA and JSON in place of Parquet: the
 * work that is left out favours the peer.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';

const BATCH = 16;
const SIDE = 224;
const MEAN = [103.939, 116.779, 123.68];

const started = performance.now();
const [list, model, out, packages] = process.argv.slice(2);
const ort = createRequire(join(packages, 'package.json'))('onnxruntime-node');
const paths = readFileSync(list, 'utf8').split('\n').slice(0, -1);
const session = await ort.InferenceSession.create(model);
const ready = performance.now();

const rows = [];
let next = load(0);
for (let start = 0; start < paths.length; start += BATCH) {
  const pixels = await next;
  next = load(start + BATCH);
  const input = new ort.Tensor('float32', preprocess(pixels), [pixels.length, 3, SIDE, SIDE]);
  const { output } = await session.run({ input });
  const length = output.data.length / pixels.length;
  for (let i = 0; i < pixels.length; i++) {
    rows.push(Array.from(output.data.subarray(i * length, (i + 1) * length)));
  }
}
writeFileSync(out, JSON.stringify(paths.map((origin, i) => ({ origin, cnn_vectors: rows[i] }))));
const done = performance.now();
console.log(
  JSON.stringify({
    images: paths.length,
    seconds: { load: (ready - started) / 1000, job: (done - ready) / 1000 },
    version: `onnxruntime-node ${version(packages)}`,
  }),
);

function load(start) {
  return Promise.all(
    paths
      .slice(start, start + BATCH)
      .map((path) =>
        sharp(path, { ignoreIcc: true })
          .resize(SIDE, SIDE, { fit: 'fill', kernel: 'cubic' })
          .toColourspace('srgb')
          .removeAlpha()
          .raw()
          .toBuffer(),
      ),
  );
}

/** uint8 RGB [h, w, 3] each -> float32 BGR [n, 3, h, w] less the means. */
function preprocess(images) {
  const plane = SIDE * SIDE;
  const values = new Float32Array(images.length * 3 * plane);
  images.forEach((pixels, n) => {
    for (let channel = 0; channel < 3; channel++) {
      const at = (n * 3 + channel) * plane;
      for (let i = 0; i < plane; i++) values[at + i] = pixels[i * 3 + 2 - channel] - MEAN[channel];
    }
  });
  return values;
}

function version(folder) {
  const path = join(folder, 'node_modules', 'onnxruntime-node', 'package.json');
  return JSON.parse(readFileSync(path, 'utf8')).version;
}
