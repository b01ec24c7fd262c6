import { readSync, writeSync } from 'node:fs';
import {
  decodeHeader,
  encodeHeader,
  encodeJson,
  type Frame,
  type FrameType,
  HEADER_BYTES,
  ProtocolError,
} from './protocol.ts';

/*
 * The engine process' ends of the pipes. They block: a read waits in a thread of its own, and a
 * write that waits for the run means the run is the slower side.
 */

/**
 * Reads one frame, waiting for it.
 * @returns undefined when the other end closed between two frames.
 * @throws ProtocolError when the bytes are no frame or end inside one.
 */
export function readFrame(fd: number): Frame | undefined {
  const bytes = new Uint8Array(HEADER_BYTES);
  const got = readFully(fd, bytes);
  if (got === 0) return undefined;
  if (got < HEADER_BYTES)
    throw new ProtocolError(`Expected a frame header but found ${got} bytes.`);
  const header = decodeHeader(bytes);
  const payload = new Uint8Array(header.length);
  const count = readFully(fd, payload);
  if (count < payload.length) {
    throw new ProtocolError(`Expected ${payload.length} payload bytes but found ${count}.`);
  }
  return { type: header.type, id: header.id, payload };
}

/** Writes one frame, waiting until the other end has taken it. */
export function writeFrame(fd: number, type: FrameType, id: number, payload: Uint8Array): void {
  writeFully(fd, encodeHeader({ type, id, length: payload.byteLength }));
  writeFully(fd, payload);
}

export function writeJsonFrame(fd: number, type: FrameType, id: number, message: unknown): void {
  writeFrame(fd, type, id, encodeJson(message));
}

/** @returns bytes read: fewer than asked only at the end of the stream. */
function readFully(fd: number, target: Uint8Array): number {
  let filled = 0;
  while (filled < target.length) {
    const count = readSync(fd, target, filled, target.length - filled, null);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

function writeFully(fd: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done);
}
