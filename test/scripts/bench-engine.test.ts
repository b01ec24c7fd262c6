import { expect, test } from 'vitest';
import { writeTinyModel } from '../engine/tiny-model.ts';
import { loadScript } from './load-script.ts';

const { engine } = await loadScript('bench/stages/network.mjs');

test('the engine stage of the bench gives each row as soon as it is measured', async () => {
  const { dir } = await writeTinyModel();
  const rows = engine({ repeat: 2, model: dir, device: 'wasm' });
  const first = await rows.next();
  expect(first).toMatchObject({ done: false, value: { what: 'eager, fp32: start', unit: 'ms' } });
  const others: string[] = [];
  for await (const { what } of rows) others.push(what.replace('eager, fp32: ', ''));
  expect(others).toEqual(['first batch of 4', 'batch 4', 'peak memory']);
});
