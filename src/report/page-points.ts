import type { Collected } from '../findings/collect-rows.ts';
import { base64 } from './base64.ts';
import { MAX_VALUE_BYTES, type PagePoints } from './page-data.ts';

/** The chosen rows as the page wants them. @param ownRows rows of the run itself */
export function pagePoints(
  rows: Collected,
  chosen: Uint32Array,
  ownRows: number,
  typical: number,
  output: string,
): PagePoints {
  const n = chosen.length;
  const k = Math.min(rows.k, Math.max(2, Math.floor(MAX_VALUE_BYTES / (4 * Math.max(1, n)))));
  const values = new Float32Array(n * k);
  const targets = new Uint32Array(n);
  const shared = new Uint16Array(n);
  const rests: string[] = [];
  let last = '';
  chosen.forEach((row, i) => {
    for (let c = 0; c < k; c++) values[i * k + c] = rows.reduced[row * rows.k + c]! / typical;
    targets[i] = rows.targets[row]!;
    const origin = rows.origins[row]!;
    const most = Math.min(last.length, origin.length, 0xffff);
    let same = 0;
    while (same < most && last.charCodeAt(same) === origin.charCodeAt(same)) same++;
    shared[i] = same;
    rests.push(origin.slice(same));
    last = origin;
  });
  return {
    count: n,
    rows: ownRows,
    k,
    output,
    values: base64(values),
    targets: base64(targets),
    shared: base64(shared),
    rests,
  };
}
