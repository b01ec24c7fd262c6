/** A typed array's bytes (little-endian on every machine that runs this) as base64. */
export function base64(values: ArrayBufferView): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}
