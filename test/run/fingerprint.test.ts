import { expect, test } from 'vitest';
import { canonicalJson, describeDifference, fingerprint } from '../../src/run/fingerprint.ts';

const identity = {
  input: 'photos',
  mode: 'vgg16',
  layer: ['fc2'],
  k: 10,
  standardize: false,
  'model weights': 'a'.repeat(64),
};

test('does not depend on the order of members, nor on members that are not set', () => {
  const turned = Object.fromEntries(Object.entries(identity).reverse());
  expect(fingerprint({ ...turned, pool: undefined })).toBe(fingerprint(identity));
  expect(fingerprint(identity)).toMatch(/^[0-9a-f]{64}$/);
});

test.each([
  [{ input: 'other' }, 'input was photos and is now other'],
  [{ mode: 'pixels' }, 'mode was vgg16 and is now pixels'],
  [{ layer: ['fc1', 'fc2'] }, 'layer was ["fc2"] and is now ["fc1","fc2"]'],
  [{ k: 5 }, 'k was 10 and is now 5'],
  [{ standardize: true }, 'standardize was false and is now true'],
  [{ 'model weights': 'b'.repeat(64) }, 'model weights was aaaaaaaaaaaa… and is now bbbbbbbbbbbb…'],
  [{ pool: 'avg' }, 'pool was not set and is now avg'],
  [{ k: undefined }, 'k was 10 and is now not set'],
])('says what differs: %j', (change, phrase) => {
  const now = { ...identity, ...change };
  expect(describeDifference(identity, now)).toEqual([phrase]);
  expect(fingerprint(now)).not.toBe(fingerprint(identity));
});

test('says every difference, and nothing where there is none', () => {
  expect(describeDifference(identity, { ...identity, k: 5, input: 'x' })).toHaveLength(2);
  expect(describeDifference(identity, { ...identity })).toEqual([]);
});

test('writes nested values with sorted keys', () => {
  expect(canonicalJson({ b: [1, { d: null, c: 'é' }], a: true, e: undefined })).toBe(
    '{"a":true,"b":[1,{"c":"é","d":null}]}',
  );
});
