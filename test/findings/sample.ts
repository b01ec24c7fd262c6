import type { RunRows } from '../../src/findings/collect-rows.ts';
import { collectRows } from '../../src/findings/collect-rows.ts';
import { featureSpace } from '../../src/findings/feature-space.ts';
import { type Findings, findFindings } from '../../src/findings/find-findings.ts';
import { partsByFolder } from '../../src/findings/leaks.ts';
import { ReducerFitter } from '../../src/reduce/reducer-fitter.ts';

export interface SampleImage {
  readonly origin: string;
  readonly vector: readonly number[];
  /** Undefined: the image can no longer be read. */
  readonly body?: string;
}

/** Rows in memory, two in a batch. The class is the folder. Views beyond the plain one are the same for all images. */
export function rowsOf(
  images: readonly SampleImage[],
  dims = images[0]!.vector.length,
  views?: number,
): RunRows {
  const rows = images.flatMap((image) =>
    Array.from({ length: views ?? 1 }, (_, view) =>
      view === 0 ? image : { ...image, vector: image.vector.map(() => 1000 * view) },
    ),
  );
  return {
    count: rows.length,
    views,
    dims,
    k: 0,
    async *batches() {
      for (let i = 0; i < rows.length; i += 2) {
        const batch = rows.slice(i, i + 2);
        yield {
          n: batch.length,
          origins: batch.map(({ origin }) => origin),
          targets: batch.map(({ origin }) => origin.split('/').at(-2)!),
          vectors: Float32Array.from(batch.flatMap(({ vector }) => [...vector])),
          reduced: new Float64Array(0),
        };
      }
    },
  };
}

export interface SampleOptions {
  readonly near?: number;
  readonly k?: number;
  readonly compare?: readonly string[];
  readonly limit?: number;
  readonly views?: number;
}

/** Findings of a few images, with a PCA fitted on them. */
export async function findIn(
  images: readonly SampleImage[],
  { near = 0.02, k = 2, compare, limit = 1000, views }: SampleOptions = {},
): Promise<Findings> {
  const source = rowsOf(images, undefined, views);
  const fitter = new ReducerFitter(source.dims, { k, standardize: false, center: true });
  const plain = rowsOf(images);
  for await (const { vectors, n } of plain.batches()) await fitter.add({ values: vectors, n });
  const blocks = async function* () {};
  const reducer = await fitter.finish({ dims: source.dims, count: plain.count, blocks });
  const space = featureSpace(reducer);
  const rows = await collectRows(source, reducer, space);
  return findFindings({
    source,
    rows,
    ownCount: rows.count,
    space,
    bodies: {
      limit,
      inFlight: 1,
      read: async (row) => {
        const { body } = images[row]!;
        return body === undefined ? undefined : Buffer.from(body);
      },
    },
    parts: partsByFolder(rows.origins, compare),
    near,
  });
}

/** Vectors that are far from each other, the same at each call. */
export function farVector(seed: number, dims = 6): number[] {
  let state = seed * 7919 + 1;
  return Array.from({ length: dims }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % 256;
  });
}
