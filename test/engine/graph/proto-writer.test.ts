import { expect, test } from 'vitest';
import { ProtoWriter, varint } from '../../../src/engine/graph/proto-writer.ts';

test('a varint holds seven bits a byte, lowest first', () => {
  expect(varint(0)).toEqual([0]);
  expect(varint(127)).toEqual([0x7f]);
  expect(varint(128)).toEqual([0x80, 0x01]);
  expect(varint(300)).toEqual([0xac, 0x02]);
  expect(varint(553_430_432)).toEqual([0xa0, 0xdb, 0xf2, 0x87, 0x02]);
});

test('minus one is ten bytes, as int64 has it', () => {
  expect(varint(-1)).toEqual([...Array(9).fill(0xff), 0x01]);
});

test('a number that is not whole is refused', () => {
  expect(() => varint(1.5)).toThrow('Expected a safe integer for a varint but found 1.5.');
});

test('a message is its fields, each after field number and wire type', () => {
  const message = new ProtoWriter()
    .varint(1, 150)
    .string(2, 'testing')
    .message(3, new ProtoWriter().varint(1, true))
    .fixed32(4, 0x89abcdef)
    .float(20, 1);
  // biome-ignore format: one line for each field
  expect([...message.finish()]).toEqual([
    0x08, 0x96, 0x01,
    0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67,
    0x1a, 0x02, 0x08, 0x01,
    0x25, 0xef, 0xcd, 0xab, 0x89,
    0xa5, 0x01, 0x00, 0x00, 0x80, 0x3f,
  ]);
});
