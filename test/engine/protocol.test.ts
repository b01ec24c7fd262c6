import { expect, test } from 'vitest';
import { Lines } from '../../src/engine/protocol.ts';

const TEXT = '{"id":0}\n{"id":1,"é":"漢字 \\n"}\n\n{"id":2}\n';

test('lines are the same wherever their text is cut', () => {
  for (let cut = 0; cut <= TEXT.length; cut++) {
    const lines = new Lines();
    const found = [...lines.push(TEXT.slice(0, cut)), ...lines.push(TEXT.slice(cut))];
    expect(found).toEqual(TEXT.split('\n').slice(0, -1));
  }
});

test('they come out of single characters, and a line without its end does not', () => {
  const lines = new Lines();
  const found = [...`${TEXT}{"id":3}`].flatMap((character) => lines.push(character));
  expect(found.join('\n')).toBe(TEXT.trimEnd());
  expect(lines.push('\n')).toEqual(['{"id":3}']);
});
