import type { PageData } from '../page-data.ts';
import { duration, el, note, percent, rate, svg } from './dom.ts';

const CHART = { width: 520, height: 220, left: 46, bottom: 24, top: 14, right: 12 };

/** Share of the variance by component: bars, and their sum as a line. Of several layers the first. */
export function varianceSection({ points, run }: PageData): HTMLElement {
  const { variance, label } = points.layers[0] ?? { variance: [], label: '' };
  const which = points.layers.length > 1 ? ` of ${label}` : '';
  const section = el('section', { id: 'variance' }, el('h2', {}, `Explained variance${which}`));
  if (variance.length === 0) {
    section.append(note('This run has no components.'));
    return section;
  }
  const total = variance.reduce((all, share) => all + share, 0);
  const isPreview = run.reducer === undefined;
  const remark = isPreview
    ? 'The table keeps no components (--k 0); these were fitted on a sample, for this page.'
    : '';
  const legend = `Bars: each component; line: together, ${percent(total)} by ${variance.length}.`;
  section.append(varianceChart(variance, total), note(`${legend} ${remark}`));
  return section;
}

function varianceChart(variance: readonly number[], total: number): SVGElement {
  const { width, height, left, bottom, top, right } = CHART;
  const shown = variance.slice(0, 60);
  const inner = { w: width - left - right, h: height - top - bottom };
  const step = inner.w / shown.length;
  const yOf = (share: number) => top + inner.h * (1 - share);
  const chart = svg('svg', {
    viewBox: `0 0 ${width} ${height}`,
    class: 'chart',
    role: 'img',
    'aria-label': `${variance.length} components explain ${percent(total)} of the variance; the first ${percent(variance[0])}.`,
  });
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    chart.append(
      svg('line', { x1: left, x2: width - right, y1: yOf(share), y2: yOf(share), class: 'rule' }),
      svg('text', { x: left - 6, y: yOf(share) + 3.5, class: 'tick end' }, percent(share, 0)),
    );
  }
  const every = Math.ceil(shown.length / 12);
  let sum = 0;
  const places = shown.map((share, i) => {
    sum += share;
    const middle = left + (i + 0.5) * step;
    const size = { width: step * 0.7, height: Math.max(0.5, inner.h * share) };
    const bar = svg('rect', {
      x: middle - step * 0.35,
      y: yOf(share),
      ...size,
      rx: 1.5,
      class: 'bar',
    });
    bar.append(svg('title', {}, `PC ${i + 1}: ${percent(share)}, together ${percent(sum)}`));
    chart.append(bar);
    const tick = svg('text', { x: middle, y: height - 8, class: 'tick' }, String(i + 1));
    if (i % every === 0) chart.append(tick);
    return [middle, yOf(sum)] as const;
  });
  chart.append(svg('polyline', { points: places.join(' '), class: 'sum' }));
  for (const [cx, cy] of places) chart.append(svg('circle', { cx, cy, r: 2.6, class: 'dot' }));
  return chart;
}

const STAGES = ['list', 'extract', 'reduce', 'export', 'report'] as const;

/** Where the time went, in the words and numbers of the terminal: the stages one after the other, and the work beside them. */
export function timeSection({ run }: PageData): HTMLElement {
  const stages = run.stagesMs as Readonly<Record<string, number>>;
  const of = (name: string) => stages[name] ?? 0;
  const parts = STAGES.map((name) => ({ name, ms: of(name) }));
  const total = Math.max(
    0.001,
    parts.reduce((sum, { ms }) => sum + ms, 0),
  );
  const strip = el('div', {
    class: 'strip',
    role: 'img',
    'aria-label': parts.map(({ name, ms }) => `${name} ${duration(ms)}`).join(', '),
  });
  const list = el('dl', { class: 'facts' });
  for (const { name, ms } of parts) {
    const piece = el('span', { class: `stage ${name}`, title: `${name}: ${duration(ms)}` });
    piece.style.flexGrow = String(ms / total);
    strip.append(piece);
    list.append(
      el('dt', {}, el('span', { class: `swatch stage ${name}` }), name),
      el('dd', {}, duration(ms), ' ', el('span', { class: 'faint' }, percent(ms / total, 0))),
    );
  }
  list.append(el('dt', {}, 'in all'), el('dd', {}, duration(of('total'))));
  const beside: [string, number, string][] = [
    ['workers: read', of('workersRead'), duration(of('workersRead'))],
    ['workers: decode', of('workersDecode'), duration(of('workersDecode'))],
    ['workers: resize', of('workersResize'), duration(of('workersResize'))],
    ['network started in', of('engineStart'), duration(of('engineStart'))],
    ['network warmed up in', of('engineWarmUp'), duration(of('engineWarmUp'))],
    ['network busy', of('engineBusy'), duration(of('engineBusy'))],
    ['network alone', of('engineBusy'), `${rate(of('engineImagesPerSecond'))} images/s`],
  ];
  const more = el('dl', { class: 'facts' });
  for (const [label, ms, text] of beside) {
    if (ms > 0) more.append(el('dt', {}, label), el('dd', {}, text));
  }
  const remark =
    'Workers are summed over threads. In all: with what is between the stages, such as waiting for the network.';
  const columns = el('div', { class: 'columns' }, list, more);
  return el('section', { id: 'time' }, el('h2', {}, 'Time'), strip, columns, note(remark));
}
