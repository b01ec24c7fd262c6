import { readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { decodeNpy, encodeNpy, type NpyArray } from '../../src/reduce/npy.ts';
import { readNpz, writeNpz } from '../../src/reduce/npz.ts';
import { describeReference } from '../reference.ts';

const pair = new Map<string, NpyArray>([
  ['mean', { dtype: 'float64', shape: [2, 3], data: Float64Array.of(1, 2, 3, 4, 5, 0.1) }],
  ['n', { dtype: 'int64', shape: [], data: BigInt64Array.of(12n) }],
]);

test('an array is written as numpy.save writes it', () => {
  // numpy.save(f, numpy.array([1.5, -2], '<f4'))
  const expected = Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'),
    Buffer.from(
      `${"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }".padEnd(117)}\n`,
      'latin1',
    ),
    Buffer.from('0000c03f000000c0', 'hex'),
  ]);
  expect(encodeNpy({ dtype: 'float32', shape: [2], data: Float32Array.of(1.5, -2) })).toEqual(
    expected,
  );
});

test('arrays come back with their names, shapes and values', () => {
  expect([...readNpz(writeNpz(pair))]).toEqual([...pair]);
});

test('equal arrays give equal bytes', () => {
  expect(writeNpz(pair).equals(writeNpz(new Map(pair)))).toBe(true);
});

test('every type survives a round trip', () => {
  const arrays: NpyArray[] = [
    { dtype: 'float32', shape: [1], data: Float32Array.of(0.5) },
    { dtype: 'uint64', shape: [1], data: BigUint64Array.of(2n ** 63n) },
    { dtype: 'int32', shape: [1], data: Int32Array.of(-7) },
    { dtype: 'uint32', shape: [1], data: Uint32Array.of(4e9) },
    { dtype: 'int16', shape: [1], data: Int16Array.of(-300) },
    { dtype: 'uint16', shape: [1], data: Uint16Array.of(60_000) },
    { dtype: 'int8', shape: [1], data: Int8Array.of(-1) },
    { dtype: 'uint8', shape: [3], data: Uint8Array.of(1, 2, 255) },
    { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
    { dtype: 'float64', shape: [0, 4], data: new Float64Array(0) },
    { dtype: 'string', shape: [2], data: ['fc1', 'é\u{1f600}!x'] },
  ];
  for (const array of arrays) expect(decodeNpy(encodeNpy(array), 'x')).toEqual(array);
});

/** .npy bytes as numpy writes them, with any header text. */
function npy(dict: string, data: string): Buffer {
  const header = Buffer.from(`\x93NUMPY\x01\x00..${dict}\n`, 'latin1');
  header.writeUInt16LE(header.length - 10, 8);
  return Buffer.concat([header, Buffer.from(data, 'hex')]);
}

test('column-major data are turned into row-major data', () => {
  // [[1, 2, 3], [4, 5, 6]] in Fortran order
  const bytes = npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", '010402050306');
  expect(decodeNpy(bytes, 'x').data).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
});

test('text arrays are read without their padding', () => {
  const wide = npy(
    "{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }",
    '6100000000000000e9000000 00f60100'.replace(' ', ''),
  );
  expect(decodeNpy(wide, 'x').data).toEqual(['a', 'é\u{1f600}']);
  const narrow = npy("{'descr': '|S3', 'fortran_order': False, 'shape': (1,), }", '616200');
  expect(decodeNpy(narrow, 'x').data).toEqual(['ab']);
});

test('Python objects are refused', () => {
  const bytes = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", '80');
  expect(() => decodeNpy(bytes, 'names')).toThrow(
    'Expected plain numbers or strings for names but found dtype |O',
  );
});

test('data shorter than the shape are refused', () => {
  const bytes = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", '00');
  expect(() => decodeNpy(bytes, 'mean')).toThrow('Expected 16 bytes of data for mean but found 1');
});

test('a header that is not one is refused', () => {
  expect(() => decodeNpy(Buffer.from('PK34567890abc'), 'x')).toThrow('found other bytes');
  expect(() => decodeNpy(npy("{'descr': '<f8'}", ''), 'x')).toThrow('found none');
});

test('a deflated member is read', () => {
  const plain = encodeNpy({ dtype: 'uint8', shape: [400], data: new Uint8Array(400).fill(7) });
  const stored = writeNpz(
    new Map([
      ['x', { dtype: 'uint8', shape: [400], data: new Uint8Array(400).fill(7) } as NpyArray],
    ]),
  );
  const packed = deflateRawSync(plain);
  const local = Buffer.from(stored.subarray(0, 30 + 5));
  local.writeUInt16LE(8, 8);
  local.writeUInt32LE(packed.length, 18);
  const central = Buffer.from(stored.subarray(35 + plain.length, 35 + plain.length + 46 + 5));
  central.writeUInt16LE(8, 10);
  central.writeUInt32LE(packed.length, 20);
  const end = Buffer.from(stored.subarray(stored.length - 22));
  end.writeUInt32LE(local.length + packed.length, 16);
  const zip = Buffer.concat([local, packed, central, end]);
  expect(readNpz(zip).get('x')!.data).toEqual(new Uint8Array(400).fill(7));
});

test('a file cut anywhere is refused', () => {
  const zip = writeNpz(pair);
  for (let length = 0; length < zip.length; length++) {
    expect(() => readNpz(zip.subarray(0, length))).toThrow('Expected a whole .npz file but found');
  }
});

test('a changed byte in the data is refused', () => {
  const zip = writeNpz(pair);
  const at = zip.indexOf('NUMPY') + 140;
  zip[at]! ^= 1;
  expect(() => readNpz(zip)).toThrow('found other bytes in mean.npy');
});

describeReference('files written by numpy', (dir) => {
  test('the Spark reference is read', () => {
    const arrays = readNpz(readFileSync(`${dir}/reference/seed-spark/pixels.npz`));
    expect(arrays.get('files')!.data[0]).toMatch(/\.jpg$/);
    expect(arrays.get('vectors_bgr')!.shape).toEqual([1000, 300]);
    expect(arrays.get('vectors_redux')!.dtype).toBe('float64');
  });
});

test('a header that names more than its bytes hold is refused before anything is made of it', () => {
  const named = (descr: string, shape: string) =>
    npy(`{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`, '');
  expect(() => decodeNpy(named('<U0', '300000000,'), 'x')).toThrow(/300000000 values of width 0/);
  expect(() => decodeNpy(named('|S0', '7,'), 'x')).toThrow(/7 values of width 0/);
  expect(() => decodeNpy(named('<f8', '0, 9007199254740993'), 'x')).toThrow(/fits in memory for x/);
  expect(() => decodeNpy(named('<f8', '4294967296, 4294967296'), 'x')).toThrow(/fits in memory/);
});

test('members that would unpack to far more than the file are refused unread', () => {
  const zeros: NpyArray = { dtype: 'float64', shape: [2e7], data: new Float64Array(2e7) };
  const data = encodeNpy(zeros);
  const bomb = deflated(data);
  expect(bomb.length).toBeLessThan(200_000);
  const before = process.resourceUsage().maxRSS;
  expect(() => readNpz(bomb)).toThrow(/packed bytes in .* that would unpack to 160000128/);
  expect(process.resourceUsage().maxRSS - before).toBeLessThan(50_000);
});

/** A .npz of one deflated member. */
function deflated(data: Buffer): Buffer {
  const zip = writeNpz(new Map([['x', { dtype: 'uint8', shape: [0], data: new Uint8Array(0) }]]));
  const end = zip.length - 22;
  const start = zip.readUInt32LE(end + 16);
  const body = deflateRawSync(data);
  const central = Buffer.from(zip.subarray(start, end));
  const local = Buffer.from(zip.subarray(0, 30 + zip.readUInt16LE(26)));
  for (const [header, at] of [
    [central, 10],
    [local, 8],
  ] as const) {
    header.writeUInt16LE(8, at);
    header.writeUInt32LE(body.length, at + 10);
    header.writeUInt32LE(data.length, at + 14);
  }
  const tail = Buffer.from(zip.subarray(end));
  tail.writeUInt32LE(local.length + body.length, 16);
  return Buffer.concat([local, body, central, tail]);
}

test('any name is a name, __proto__ too', () => {
  const array: NpyArray = { dtype: 'uint8', shape: [1], data: Uint8Array.of(7) };
  expect([...readNpz(writeNpz(new Map([['__proto__', array]])))]).toEqual([['__proto__', array]]);
});
