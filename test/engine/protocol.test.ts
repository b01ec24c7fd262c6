import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FrameDecoder } from '../../src/engine/frame-decoder.ts';
import { readFrame, writeFrame } from '../../src/engine/frame-pipe.ts';
import { decodeHeader, encodeHeader, FRAME, ProtocolError } from '../../src/engine/protocol.ts';

// Two frames by hand: magic, type, three zeros, id, length, payload.
// biome-ignore format: one line for each field
const BATCH = [
  0x49, 0x32, 0x46, 0x45,
  3, 0, 0, 0,
  0x02, 0x01, 0, 0,
  5, 0, 0, 0,
  10, 20, 30, 40, 50,
];
// biome-ignore format: one line for each field
const CLOSE = [
  0x49, 0x32, 0x46, 0x45,
  7, 0, 0, 0,
  0, 0, 0, 0,
  0, 0, 0, 0,
];
const BYTES = Uint8Array.from([...BATCH, ...CLOSE]);

const dir = mkdtempSync(join(tmpdir(), 'protocol-'));
afterAll(() => rmSync(dir, { recursive: true }));

test('a header is the bytes drawn in protocol.ts', () => {
  expect([...encodeHeader({ type: FRAME.batch, id: 258, length: 5 })]).toEqual(BATCH.slice(0, 16));
});

test('frames are the same wherever their bytes are cut', () => {
  for (let cut = 0; cut <= BYTES.length; cut++) {
    const decoder = new FrameDecoder();
    const frames = [...decoder.push(BYTES.subarray(0, cut)), ...decoder.push(BYTES.subarray(cut))];
    expect(frames).toEqual([
      { type: FRAME.batch, id: 258, payload: Uint8Array.of(10, 20, 30, 40, 50) },
      { type: FRAME.close, id: 0, payload: new Uint8Array(0) },
    ]);
  }
});

test('frames come out byte by byte as well', () => {
  const decoder = new FrameDecoder();
  const types = [...BYTES].flatMap((byte) => decoder.push(Uint8Array.of(byte))).map((f) => f.type);
  expect(types).toEqual([FRAME.batch, FRAME.close]);
});

test('a payload starts a buffer of its own, so that float32 views are aligned', () => {
  const [frame] = new FrameDecoder().push(BYTES);
  expect(frame.payload.byteOffset).toBe(0);
  expect(frame.payload.buffer.byteLength).toBe(5);
});

test.each([
  ['other bytes', 0, 0x48, 'Expected the magic "I2FE" but found 0x45463248.'],
  ['an unknown type', 4, 99, 'Expected a frame type but found 99.'],
  ['a length beyond 2 GiB', 15, 0x80, /^Expected a frame of at most 2147483647 bytes/],
])('%s are no header', (_, offset, value, message) => {
  const header = Uint8Array.from(BATCH.slice(0, 16));
  header[offset] = value;
  expect(() => decodeHeader(header)).toThrow(ProtocolError);
  expect(() => decodeHeader(header)).toThrow(message);
});

test('a descriptor gives the frames that were written to it, then undefined', () => {
  const path = join(dir, 'frames');
  const out = openSync(path, 'w');
  writeFrame(out, FRAME.batch, 258, Uint8Array.of(10, 20, 30, 40, 50));
  writeFrame(out, FRAME.close, 0, new Uint8Array(0));
  closeSync(out);
  expect([...readFileSync(path)]).toEqual([...BYTES]);
  const fd = openSync(path, 'r');
  expect(readFrame(fd)).toEqual({
    type: FRAME.batch,
    id: 258,
    payload: Uint8Array.of(10, 20, 30, 40, 50),
  });
  expect(readFrame(fd)?.type).toBe(FRAME.close);
  expect(readFrame(fd)).toBeUndefined();
  closeSync(fd);
});

test.each([
  [10, 'Expected a frame header but found 10 bytes.'],
  [18, 'Expected 5 payload bytes but found 2.'],
])('a descriptor that ends after %i bytes is an error', (length, message) => {
  const path = join(dir, 'cut');
  writeFileSync(path, BYTES.subarray(0, length));
  const fd = openSync(path, 'r');
  expect(() => readFrame(fd)).toThrow(message);
  closeSync(fd);
});
