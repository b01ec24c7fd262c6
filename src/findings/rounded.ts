/** Six digits: what a reader can use, without the last bits, which may differ on another machine. */
export function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
