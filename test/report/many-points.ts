import { writeFileSync } from 'node:fs';
import { FINDING_KINDS } from '../../src/findings/finding.ts';
import type { PageData } from '../../src/report/page-data.ts';
import { base64 } from '../../src/report/page-data.ts';
import { renderPage } from '../../src/report/render-page.ts';

/** The page of a run that never was: `count` points of ten components in thirty classes, the first ones with a picture of 10×10 pixels. */
export async function writeManyPoints(path: string, count: number, pictures = 0): Promise<void> {
  const k = 10;
  const classes = Array.from({ length: 30 }, (_, i) => `class ${i}`);
  const values = new Float32Array(count * k);
  const targets = new Uint32Array(count);
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < count; i++) {
    targets[i] = i % classes.length;
    for (let c = 0; c < k; c++) {
      values[i * k + c] = next() + next() + next() + Math.sin(targets[i]! * (c + 1));
    }
  }
  const none = { findings: 0, listed: 0, images: 0 };
  const data: PageData = {
    format: 2,
    target: 'many',
    command: 'img2features many --mode pixels --out many',
    run: {
      format: 1,
      counts: {
        discovered: count,
        extracted: count,
        rejected: 0,
        ignored: 0,
        rejectedByReason: {},
      },
      files: [],
      command: 'extract',
      options: { input: 'many', mode: 'pixels', k },
      stagesMs: { list: 1, extract: 1, reduce: 1, export: 1, total: 4 },
      startedAt: '2026-01-01T00:00:00.000Z',
      finishedAt: '2026-01-01T00:00:01.000Z',
      libraries: {},
      machine: { node: '20', os: 'none', cpu: 'none', cpus: 1 },
    },
    rejected: [],
    classes,
    classCounts: classes.map(() => count / classes.length),
    points: {
      count,
      rows: count,
      layers: [
        {
          label: 'pixels',
          k,
          values: base64(values),
          variance: Array.from({ length: k }, () => 1 / k),
        },
      ],
      targets: base64(targets),
      kinds: base64(new Uint8Array(count)),
      shared: base64(new Uint16Array(count)),
      rests: Array.from({ length: count }, (_, i) => `many/${i}.jpg`),
    },
    strips: classes.map(() => []),
    thumbs: thumbsOf(pictures),
    findings: {
      counts: Object.fromEntries(
        FINDING_KINDS.map((kind) => [kind, none]),
      ) as PageData['findings']['counts'],
      near: 0.02,
      outlierScore: 6,
      isComplete: true,
      measuredIn: 'features',
      parts: [],
      shown: [],
    },
  };
  writeFileSync(path, await renderPage(data));
}

function thumbsOf(n: number): PageData['thumbs'] {
  const data = Uint8Array.from({ length: 300 * n }, (_, i) => (i * 7) % 256);
  return {
    kind: n > 0 ? 'pixels' : 'none',
    side: 10,
    perRow: 1,
    points: base64(Int32Array.from({ length: n }, (_, i) => i)),
    shapes: base64(new Uint8Array(2 * n).fill(255)),
    data: [base64(data)],
    bytes: data.length,
    note: '',
  };
}
