import { expect, test } from 'vitest';
import { normalPreprocessing, preprocessing } from '../../src/options/preprocessing.ts';

test.each([
  ['unit', 'unit'],
  ['std=0.25,scale=1/255,mean=0.5:0.5:0.5', 'scale=1/255,mean=0.5,std=0.25'],
  [' mean = .1:2e-1:0 , scale = 1/255 ', 'scale=1/255,mean=0.1:0.2:0'],
  ['scale=-0.5,mean=-1', 'scale=-0.5,mean=-1'],
  // What computes the same as a mode by name is that mode: two runs of one table agree.
  ['scale=1/255', 'unit'],
  ['scale=1/127.5,mean=1', 'tf'],
  ['scale=1/255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225', 'torch'],
  ['scale=1,mean=0:0:0,std=1', 'none'],
  // x * 0.00392… and x / 255 round differently.
  ['scale=0.00392156862745098', 'scale=0.00392156862745098'],
])('%s is kept as %s', (given, kept) => {
  expect(normalPreprocessing(given)).toBe(kept);
});

test.each([
  'vgg',
  '',
  'scale',
  'scale=',
  'scale=0',
  'scale=1/0',
  'scale=-1/255',
  'scale=1:1:1',
  'scale=1e99',
  'mean=1:2',
  'mean=x',
  'std=0',
  'std=1e-60',
  'std=1,std=2',
  'scale=1/255;mean=1',
  'toString',
  7,
])('%j is refused with the forms that are taken', (given) => {
  expect(() => preprocessing(given, 'preprocessing')).toThrow(
    'Expected caffe, tf, torch, unit, none, or numbers such as scale=1/255,mean=0.5:0.5:0.5,std=0.25 for --preprocessing but received',
  );
});
