import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { createPreprocess } from '../../src/engine/preprocess.ts';
import type { Preprocessing } from '../../src/options/preprocessing.ts';

function preprocess(mode: Preprocessing, pixels: Uint8Array): Float32Array {
  const out = new Float32Array(pixels.length);
  createPreprocess(mode)(pixels, out);
  return out;
}

// Two RGB pixels, through Keras' steps in numpy 2.2 float32.
const PIXELS = Uint8Array.of(0, 1, 255, 128, 7, 64);

test('caffe turns RGB to BGR and subtracts the ImageNet mean', () => {
  expect([...preprocess('caffe', PIXELS)]).toEqual([
    151.06100463867188, -115.77899932861328, -123.68000030517578, -39.939002990722656,
    -109.77899932861328, 4.319999694824219,
  ]);
});

test('tf scales to -1 … 1', () => {
  expect([...preprocess('tf', PIXELS)]).toEqual([
    -1, -0.9921568632125854, 1, 0.003921627998352051, -0.9450980424880981, -0.498039186000824,
  ]);
});

test('torch scales to 0 … 1 and standardises each channel', () => {
  expect([...preprocess('torch', PIXELS)]).toEqual([
    -2.1179039478302, -2.018207311630249, 2.640000104904175, 0.07406462728977203,
    -1.9131652116775513, -0.6889759302139282,
  ]);
});

test('unit divides by 255', () => {
  expect([...preprocess('unit', PIXELS)]).toEqual([
    0, 0.003921568859368563, 1, 0.501960813999176, 0.027450980618596077, 0.250980406999588,
  ]);
});

test('none leaves the values as they are', () => {
  expect([...preprocess('none', PIXELS)]).toEqual([0, 1, 255, 128, 7, 64]);
});

// SHA-256 of numpy's float32 bytes for the 256 grey pixels (v, v, v), v = 0 … 255.
test.each([
  ['caffe', 'b7cc7ef140b1a92b8f808e9244fc33b3007a780bcad7f153b2a14e2a45730bda'],
  ['tf', 'c38a4526ac1867919530fb3832f7b41812476d11b601b6503838ea55c43f636f'],
  ['torch', '8c626e48a7ca8a3a4c1fef347a331e88748ff9dbc57d734b54bd4613205621dc'],
  ['unit', 'f52863b1a51fb5bbf0c2d456dcbfe3d0ac6c2efdb5a123c239aed6dea19b4d14'],
  [
    'scale=1/127.5,mean=0.9:1.1:1,std=0.7',
    '8110dbbaa7d8d9511bb8b760895c5a6057194b44108ef9aedc40a39703f6b131',
  ],
  ['scale=0.0039,mean=0.5', 'a0461025bb2cdd6bc52cf540581c0532f252ed991f7b96fcdae654b96b859e99'],
] as const)('%s equals numpy in every bit for all 256 values', (mode, sha256) => {
  const grey = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
  const bytes = new Uint8Array(preprocess(mode, grey).buffer);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
});
