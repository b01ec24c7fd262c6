import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { whyNoKernels } from '../../../dist/reduce/kernels.js';
import { ReducerFitter } from '../../../dist/reduce/reducer-fitter.js';
import { median, repeated, round, spread, timed } from '../lib/measure.mjs';

const SCRIPT = fileURLToPath(new URL('./sklearn_pca.py', import.meta.url));
const K = 10;
const BLOCK_ROWS = 512;
/** Both answers, as subspaces, may differ by this angle. */
const ANGLE = 1e-6;
/** Of 60 directions each has 0.9 of the one before, over noise: what features look like. Noise alone is the hard case. Of pixels the values are whole numbers up to 255. */
const CASES = [
  { n: 20_000, dims: 1000, spectrum: 'falling' },
  { n: 5000, dims: 4096, spectrum: 'falling' },
  { n: 20_000, dims: 1000, spectrum: 'flat' },
  { n: 30_000, dims: 300, spectrum: 'falling' },
  { n: 30_000, dims: 300, spectrum: 'pixels' },
];

/**
 * A PCA with 10 components of float32 rows in memory, from the first row to the components, on all cores; with a Python
 * that has scikit-learn, its `PCA(10, svd_solver="covariance_eigh")` of the same array as float32 and as float64, the angle
 * between the subspaces (checked against float64), and the ratios.
 * @param {{ repeat: number, scratch: string, python?: string }} options
 */
export async function* pca({ repeat, scratch, python }) {
  const kernels = whyNoKernels() === undefined ? 'AVX2' : 'WebAssembly';
  for (const { n, dims, spectrum } of CASES) {
    const values = VALUES[spectrum](n, dims);
    const what = `PCA of ${n.toLocaleString('en')} × ${dims.toLocaleString('en')}, ${spectrum} spectrum, ${kernels} kernels`;
    const row = (name, unit, found) => ({ stage: 'pca', what: `${what}${name}`, unit, ...found });
    let fitted;
    const fits = await repeated(repeat, () =>
      timed(async () => {
        fitted = await fitOnce(values, n, dims);
      }),
    );
    const clock = fits.map(({ seconds }) => seconds);
    expectOrthonormal(fitted.components, dims);
    yield row('', 's', spread(clock));
    yield row(', processor time', 's', spread(fits.map(({ processorMs }) => processorMs / 1000)));
    if (python === undefined) continue;
    const peer = scikitLearn(python, values, n, dims, repeat, scratch);
    const angle = sine(fitted.components, peer.components, dims);
    if (!(angle < ANGLE)) throw new Error(`Expected one subspace but found an angle of ${angle}.`);
    yield row(': angle to scikit-learn on float64', 'rad', spread([angle]));
    for (const type of ['float32', 'float64']) {
      yield row(`: scikit-learn on ${type}`, 's', spread(peer[type]));
      const ratio = round(median(peer[type]) / median(clock));
      yield row(`: times as fast as scikit-learn on ${type}`, '×', spread([ratio]));
    }
    yield row(
      ': angle of scikit-learn on float32 to itself on float64',
      'rad',
      spread([peer.angle]),
    );
  }
}

async function fitOnce(values, n, dims) {
  const blocks = {
    dims,
    count: n,
    async *blocks() {
      for (let i = 0; i < n; i += BLOCK_ROWS) {
        const rows = Math.min(BLOCK_ROWS, n - i);
        yield { values: values.subarray(i * dims, (i + rows) * dims), n: rows };
      }
    },
  };
  const fitter = new ReducerFitter(dims, {
    k: K,
    standardize: false,
    center: true,
    readyRows: n,
  });
  for await (const block of blocks.blocks()) await fitter.add(block);
  return fitter.finish(blocks);
}

function scikitLearn(python, values, n, dims, repeat, scratch) {
  const array = join(scratch, 'pca.npy');
  const components = join(scratch, 'pca-components.f64');
  writeFileSync(array, npyHeader(n, dims));
  writeFileSync(array, values, { flag: 'a' });
  try {
    // A full decomposition of 4,096 dimensions takes half a minute.
    const runs = dims > 2000 ? 1 : repeat;
    const args = [SCRIPT, array, components, String(K), String(runs)];
    const said = JSON.parse(execFileSync(python, args, { encoding: 'utf8' }));
    const bytes = readFileSync(components);
    return { ...said, components: new Float64Array(new Uint8Array(bytes).buffer) };
  } finally {
    rmSync(array, { force: true });
    rmSync(components, { force: true });
  }
}

function npyHeader(n, dims) {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${n}, ${dims}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = Buffer.alloc(10 + length, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(length, 8);
  header.write(text, 10);
  header.write('\n', 10 + length - 1);
  return header;
}

/** Largest sine between the spans of two sets of K orthonormal rows. */
function sine(a, b, dims) {
  let most = 0;
  for (let v = 0; v < K; v++) {
    const rest = a.slice(v * dims, (v + 1) * dims);
    for (let w = 0; w < K; w++) {
      const other = b.subarray(w * dims, (w + 1) * dims);
      const along = other.reduce((sum, entry, j) => sum + entry * rest[j], 0);
      for (let j = 0; j < dims; j++) rest[j] -= along * other[j];
    }
    most = Math.max(most, Math.hypot(...rest));
  }
  // Of each vector; of the whole span at most the square root of K more.
  return most * Math.sqrt(K);
}

function expectOrthonormal(components, dims) {
  for (let v = 0; v < K; v++) {
    for (let w = 0; w <= v; w++) {
      let product = 0;
      for (let j = 0; j < dims; j++) product += components[v * dims + j] * components[w * dims + j];
      if (Math.abs(product - (v === w ? 1 : 0)) > 1e-12)
        throw new Error('Expected orthonormal rows.');
    }
  }
}

/** Seeded normal values (Box and Muller's polar form would waste more of the generator: mulberry32). */
function noise(size, seed) {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  const out = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    out[i] = radius * Math.cos(angle);
    if (i + 1 < size) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}

const VALUES = {
  falling,
  flat: (/** @type {number} */ n, /** @type {number} */ dims) => noise(n * dims, 3),
  pixels: (/** @type {number} */ n, /** @type {number} */ dims) =>
    falling(n, dims).map((value) => Math.min(255, Math.max(0, Math.round(30 * value)))),
};

function falling(n, dims) {
  const rank = 60;
  const out = noise(n * dims, 1);
  const strengths = noise(n * rank, 2);
  const directions = noise(rank * dims, 4);
  for (let i = 0; i < n; i++) {
    const row = out.subarray(i * dims, (i + 1) * dims);
    for (let j = 0; j < dims; j++) row[j] = 0.5 * row[j] + 3;
    for (let q = 0; q < rank; q++) {
      const share = (strengths[i * rank + q] * 10 * 0.9 ** q) / Math.sqrt(dims);
      const at = q * dims;
      for (let j = 0; j < dims; j++) row[j] += share * directions[at + j];
    }
  }
  return out;
}
