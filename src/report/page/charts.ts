import type { PageData } from '../page-data.ts';
import { button, count, duration, el, nameOf, note, percent, svg } from './dom.ts';
import { css, type Rgb } from './palette.ts';

/** Bars shown at first, and after a request for all. */
const MOST_BARS = 24;
const ALL_BARS = 2000;

/** Classes and their sizes, the largest first. */
export function classesSection(
  { classes, classCounts }: PageData,
  colors: readonly Rgb[],
): HTMLElement {
  const order = classes.map((_, i) => i).sort((a, b) => classCounts[b] - classCounts[a] || a - b);
  const most = Math.max(1, classCounts[order[0]] ?? 0);
  const rows = classCounts.reduce((sum, n) => sum + n, 0);
  const list = el('ul', { class: 'bars' });
  const add = (from: number, to: number): void => {
    for (const i of order.slice(from, to)) {
      const bar = el('span', { class: 'bar' });
      bar.style.width = `${(100 * classCounts[i]) / most}%`;
      bar.style.backgroundColor = css(colors[i]);
      list.append(
        el(
          'li',
          {},
          nameOf(classes[i]),
          el('span', { class: 'track' }, bar),
          el('span', { class: 'num' }, count(classCounts[i])),
          el('span', { class: 'num faint' }, percent(classCounts[i] / Math.max(1, rows))),
        ),
      );
    }
  };
  add(0, MOST_BARS);
  const section = el(
    'section',
    { id: 'classes' },
    el('h2', {}, 'Classes ', el('small', {}, count(classes.length))),
    list,
  );
  if (order.length > MOST_BARS) {
    const which = order.length > ALL_BARS ? `${count(ALL_BARS)} of` : 'all';
    const showAll = (): void => {
      more.remove();
      add(MOST_BARS, ALL_BARS);
    };
    const more = button({ class: 'more' }, showAll, `Show ${which} ${count(order.length)}`);
    section.append(more);
  }
  const smallest = classCounts[order.at(-1)!] ?? 0;
  if (classes.length > 1 && most > 3 * smallest) {
    const times = (most / Math.max(1, smallest)).toFixed(1);
    section.append(note(`The largest class has ${times} times the images of the smallest.`));
  }
  return section;
}

/** Share of the variance by component: bars, and their sum as a line. */
export function varianceSection({ variance, run }: PageData): HTMLElement {
  const section = el('section', { id: 'variance' }, el('h2', {}, 'Explained variance'));
  if (variance.length === 0) {
    section.append(note('This run has no components.'));
    return section;
  }
  const [w, h, left, bottom, top, right] = [520, 220, 46, 24, 14, 12];
  const shown = variance.slice(0, 60);
  const inner = { w: w - left - right, h: h - top - bottom };
  const step = inner.w / shown.length;
  const yOf = (share: number) => top + inner.h * (1 - share);
  let sum = 0;
  const sums = shown.map((share) => {
    sum += share;
    return sum;
  });
  const total = variance.reduce((all, share) => all + share, 0);
  const chart = svg('svg', {
    viewBox: `0 0 ${w} ${h}`,
    class: 'chart',
    role: 'img',
    'aria-label': `${variance.length} components explain ${percent(total)} of the variance; the first ${percent(variance[0])}.`,
  });
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    chart.append(
      svg('line', { x1: left, x2: w - right, y1: yOf(share), y2: yOf(share), class: 'rule' }),
      svg('text', { x: left - 6, y: yOf(share) + 3.5, class: 'tick end' }, percent(share, 0)),
    );
  }
  shown.forEach((share, i) => {
    const bar = svg('rect', {
      x: left + i * step + step * 0.15,
      width: step * 0.7,
      y: yOf(share),
      height: Math.max(0.5, inner.h * share),
      rx: 1.5,
      class: 'bar',
    });
    bar.append(svg('title', {}, `PC ${i + 1}: ${percent(share)}, together ${percent(sums[i])}`));
    chart.append(bar);
    const every = Math.ceil(shown.length / 12);
    if (i % every === 0)
      chart.append(
        svg('text', { x: left + (i + 0.5) * step, y: h - 8, class: 'tick' }, String(i + 1)),
      );
  });
  const place = (i: number) => `${left + (i + 0.5) * step},${yOf(sums[i])}`;
  chart.append(svg('polyline', { points: sums.map((_, i) => place(i)).join(' '), class: 'sum' }));
  sums.forEach((_, i) => {
    const [cx, cy] = place(i).split(',') as [string, string];
    chart.append(svg('circle', { cx, cy, r: 2.6, class: 'dot' }));
  });
  const isPreview = run.reducer === undefined;
  const remark = isPreview
    ? 'The table keeps no components (--k 0); these were fitted on a sample, for this page.'
    : '';
  const legend = `Bars: each component; line: together, ${percent(total)} by ${variance.length}.`;
  section.append(chart, note(`${legend} ${remark}`));
  return section;
}

const STAGES = ['list', 'extract', 'reduce', 'export'] as const;

/** Where the time went: the stages of the run one after the other, and the work beside them. */
export function timeSection({ run }: PageData): HTMLElement {
  const stages = run.stagesMs as Readonly<Record<string, number>>;
  const parts = STAGES.map((name) => ({ name, ms: stages[name] ?? 0 }));
  const total = Math.max(0.001, ...[parts.reduce((sum, { ms }) => sum + ms, 0)]);
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
  const beside: [string, string][] = [
    ['read, over all threads', 'workersRead'],
    ['decode, over all threads', 'workersDecode'],
    ['resize, over all threads', 'workersResize'],
    ['engine start', 'engineStart'],
    ['network busy', 'engineBusy'],
  ];
  const more = el('dl', { class: 'facts' });
  for (const [label, key] of beside) {
    const ms = stages[key] ?? 0;
    if (ms > 0) more.append(el('dt', {}, label), el('dd', {}, duration(ms)));
  }
  return el(
    'section',
    { id: 'time' },
    el('h2', {}, 'Time'),
    strip,
    el('div', { class: 'columns' }, list, more),
  );
}
