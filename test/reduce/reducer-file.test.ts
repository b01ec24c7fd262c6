import { expect, test } from 'vitest';
import { readNpz, writeNpz } from '../../src/reduce/npz.ts';
import { readReducerFile, writeReducerFile } from '../../src/reduce/reducer-file.ts';
import { fitRows, randomRows } from './feature-rows.ts';

const values = randomRows(20, 5, 1);
const reducerOf = (k: number, standardize: boolean) =>
  fitRows(values, 5, { k, standardize, center: true });

test('one reducer is written under plain names', async () => {
  const reducer = await reducerOf(2, true);
  const arrays = readNpz(writeReducerFile(new Map([['pixels', reducer]])));
  expect([...arrays].map(([key, { dtype, shape }]) => `${key} ${dtype} [${shape}]`)).toEqual([
    'outputs string [1]',
    'scaler_mean float64 [5]',
    'scaler_std float64 [5]',
    'pca_mean float64 [5]',
    'components float64 [2,5]',
    'explained_variance float64 [2]',
    'explained_variance_ratio float64 [2]',
    'total_variance float64 []',
    'residual float64 []',
    'n_samples int64 []',
    'standardize bool []',
    'center bool []',
  ]);
  expect(arrays.get('components')!.data).toEqual(reducer.components);
});

test('several reducers come back under their names and reduce to the same bits', async () => {
  const reducers = new Map([
    ['fc1', await reducerOf(2, false)],
    ['block5_pool', await reducerOf(3, true)],
  ]);
  const bytes = writeReducerFile(reducers);
  expect(readNpz(bytes).get('fc1.components')!.shape).toEqual([2, 5]);
  const back = readReducerFile(bytes);
  expect([...back.keys()]).toEqual(['fc1', 'block5_pool']);
  for (const [name, reducer] of reducers) {
    expect({ ...back.get(name) }).toEqual({ ...reducer });
    expect(back.get(name)!.transform(values, 20)).toEqual(reducer.transform(values, 20));
  }
});

test('equal fits give equal bytes', async () => {
  const [first, second] = [await reducerOf(2, true), await reducerOf(2, true)];
  const bytes = writeReducerFile(new Map([['pixels', first]]));
  expect(bytes.equals(writeReducerFile(new Map([['pixels', second]])))).toBe(true);
});

test('a file of something else is refused', () => {
  const other = writeNpz(
    new Map([['x', { dtype: 'float64', shape: [1], data: Float64Array.of(1) }]]),
  );
  expect(() => readReducerFile(other)).toThrow(
    'Expected the names of the outputs in reducer.npz but found none',
  );
  expect(() => readReducerFile(Buffer.from('no zip'))).toThrow('Expected a whole .npz file');
});

test('an array of another shape is refused', async () => {
  const arrays = readNpz(writeReducerFile(new Map([['pixels', await reducerOf(2, true)]])));
  arrays.set('scaler_mean', { dtype: 'float64', shape: [4], data: new Float64Array(4) });
  expect(() => readReducerFile(writeNpz(arrays))).toThrow(
    'Expected float64 [5] for scaler_mean in reducer.npz but found float64 [4]',
  );
  arrays.delete('scaler_mean');
  expect(() => readReducerFile(writeNpz(arrays))).toThrow('but found nothing');
});
