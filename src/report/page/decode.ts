import type { PageData, PagePoints } from '../page-data.ts';

/** The points as the page works with them. */
export interface Points {
  readonly count: number;
  readonly k: number;
  /** float32 [count, k] */
  readonly values: Float32Array;
  readonly targets: Uint32Array;
  readonly origins: readonly string[];
}

export function readData(): PageData {
  return JSON.parse(document.getElementById('data')!.textContent) as PageData;
}

export function readPoints(points: PagePoints): Points {
  const shared = new Uint16Array(bytesOf(points.shared));
  const origins: string[] = [];
  let last = '';
  points.rests.forEach((rest, i) => {
    last = last.slice(0, shared[i]) + rest;
    origins.push(last);
  });
  return {
    count: points.count,
    k: points.k,
    values: new Float32Array(bytesOf(points.values)),
    targets: new Uint32Array(bytesOf(points.targets)),
    origins,
  };
}

export function bytesOf(base64: string): ArrayBuffer {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}
