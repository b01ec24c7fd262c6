/** Six digits: what a reader can use, and no last bits that another machine might see otherwise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
