import type { PageData } from '../page-data.ts';
import {
  button,
  count,
  distance,
  el,
  nameOf,
  note,
  percent,
  searchField,
  swatch,
  visible,
} from './dom.ts';
import { openLegend } from './legend.ts';
import { css, type Rgb } from './palette.ts';
import { openPlot } from './plot.ts';
import type { Points } from './points.ts';
import { nearest } from './points.ts';
import type { Thumbs } from './thumbs.ts';

const NEIGHBOURS = 12;
const MOST_MATCHES = 50;

export interface MapSection {
  readonly element: HTMLElement;
  /** Shows a point with its neighbours. */
  readonly select: (point: number) => void;
}

/** The scatter plot with its axes, search and legend, and the image that is looked at with its neighbours. */
export function mapSection(
  data: PageData,
  points: Points,
  thumbs: Thumbs,
  colors: readonly Rgb[],
): MapSection {
  const { classes, classCounts, variance } = data;
  const state = {
    selected: -1,
    neighbours: [] as number[],
    matches: [] as number[],
    isOn: classes.map(() => true),
  };
  const tip = el('div', { class: 'tip', hidden: true });
  const card = el('div', { class: 'card', 'aria-live': 'polite' });
  const results = el('ul', { class: 'results' });
  const plot = openPlot(points, { targets: points.targets, colors }, { onHover, onSelect: select });
  plot.element.append(tip);

  const legend = openLegend(classes, classCounts, colors, (isOn, dwelt) => {
    state.isOn = [...isOn];
    const dim = dwelt >= 0 && isOn[dwelt];
    plot.setStrength(
      Float32Array.from(isOn, (on, i) =>
        on ? (dim && i !== dwelt ? 0.08 : opacity(points.count)) : 0,
      ),
    );
  });
  plot.setStrength(new Float32Array(classes.length).fill(opacity(points.count)));

  const axis = (label: string, value: number, onChange: (component: number) => void) => {
    const choice = el('select', { 'aria-label': label });
    for (let c = 0; c < points.k; c++) {
      const share = variance[c] === undefined ? '' : ` · ${percent(variance[c])}`;
      choice.append(el('option', { value: c }, `PC ${c + 1}${share}`));
    }
    choice.value = String(value);
    choice.addEventListener('change', () => onChange(Number(choice.value)));
    return el('label', { class: 'field' }, el('span', {}, label), choice);
  };
  let [x, y] = [0, Math.min(1, points.k - 1)];
  const swapAxes = (newX: number, newY: number): void => {
    [x, y] = [newX, newY];
    plot.setAxes(x, y);
  };
  swapAxes(x, y);

  const search = searchField('Find images by name', 'Find images by name', searchFor);
  const found = el('span', { class: 'note', role: 'status' });
  const toolbar = el(
    'div',
    { class: 'toolbar' },
    axis('Across', x, (value) => swapAxes(value, y)),
    axis('Up', y, (value) => swapAxes(x, value)),
    el('label', { class: 'field search' }, search),
    found,
    el('span', { class: 'grow' }),
    button({}, () => plot.reset(), 'Show all'),
  );
  const shown =
    points.count < data.points.rows
      ? `${count(points.count)} of ${count(data.points.rows)} rows, spread evenly. `
      : '';
  const layers =
    (data.run.model as { layers?: readonly unknown[] } | undefined)?.layers?.length ?? 1;
  const first = layers > 1 ? `Of ${layers} layers the first is shown. ` : '';
  const hint = note(
    `${first}${shown}Distances are in units of the distance between two random images. Drag to move; scroll zooms once the map is clicked, two fingers on a phone; double-click shows all. ${data.thumbs.note}`,
  );
  showCard();
  const element = el(
    'section',
    { id: 'map', class: 'map' },
    el('h2', {}, `Map of ${data.points.output === 'pixels' ? 'the pixels' : data.points.output}`),
    toolbar,
    el(
      'div',
      { class: 'map-body' },
      plot.element,
      el('div', { class: 'side' }, results, card, legend.element),
    ),
    hint,
  );
  element.dataset.drawer = plot.kind;
  return { element, select: (point) => select(point, true) };

  function searchFor(wanted: string): void {
    state.matches = [];
    if (wanted !== '') {
      for (let i = 0; i < points.count; i++) {
        if (points.origins[i].toLowerCase().includes(wanted)) state.matches.push(i);
      }
    }
    found.textContent = wanted === '' ? '' : `${count(state.matches.length)} found`;
    results.replaceChildren(
      ...state.matches.slice(0, MOST_MATCHES).map((point) => {
        const picture = thumbs.picture(point, 28);
        const name = nameOf(points.origins[point], 'path');
        const show = () => select(point, true);
        return el('li', {}, button({ class: 'result' }, show, picture, name));
      }),
    );
    if (state.matches.length > MOST_MATCHES) {
      const more = `and ${count(state.matches.length - MOST_MATCHES)} more, marked on the map`;
      results.append(el('li', { class: 'note' }, more));
    }
    mark();
  }

  function onHover(point: number, left: number, top: number): void {
    tip.hidden = point < 0;
    if (point < 0) return;
    if (tip.dataset.point !== String(point)) {
      tip.dataset.point = String(point);
      tip.replaceChildren(
        thumbs.picture(point, 96),
        el('div', {}, nameOf(points.origins[point], 'path'), classTag(point)),
      );
    }
    const box = plot.element.getBoundingClientRect();
    const width = tip.offsetWidth;
    const height = tip.offsetHeight;
    tip.style.left = `${Math.max(4, Math.min(left + 16, box.width - width - 4))}px`;
    tip.style.top = `${top + 18 + height > box.height ? Math.max(4, top - height - 14) : top + 18}px`;
  }

  function select(point: number, isAsked = false): void {
    state.selected = point;
    const near = point < 0 ? [] : nearest(points, point, NEIGHBOURS);
    state.neighbours = near.map((neighbour) => neighbour.point);
    showCard(near);
    mark();
    if (isAsked && point >= 0) {
      plot.reveal(point);
      tip.hidden = true;
    }
  }

  function mark(): void {
    plot.setMarks(state);
  }

  function classTag(point: number): HTMLElement {
    const target = points.targets[point];
    return el('span', { class: 'tag' }, swatch(css(colors[target])), nameOf(classes[target]));
  }

  function showCard(near: readonly { point: number; distance: number }[] = []): void {
    const { selected } = state;
    if (selected < 0) {
      card.replaceChildren(
        el('h3', {}, 'Nearest images'),
        note('Click a point, or find an image by name, to see the images nearest to it.'),
      );
      return;
    }
    const list = el('ol', { class: 'neighbours' });
    for (const { point, distance: far } of near) {
      const title = visible(points.origins[point]);
      const label = `${title}, distance ${distance(far)}`;
      const neighbour = button(
        { title, 'data-point': point, 'aria-label': label },
        () => select(point, true),
        thumbs.picture(point, 44),
        el('span', { class: 'num' }, distance(far)),
      );
      neighbour.classList.toggle('other', points.targets[point] !== points.targets[selected]);
      list.append(el('li', {}, neighbour));
    }
    card.replaceChildren(
      el(
        'div',
        { class: 'panel-head' },
        el('h3', {}, 'Nearest images'),
        el('span', { class: 'grow' }),
        button({ 'aria-label': 'Close' }, () => select(-1), '×'),
      ),
      el(
        'div',
        { class: 'chosen' },
        thumbs.picture(selected, 72),
        el('div', {}, nameOf(points.origins[selected], 'path'), classTag(selected)),
      ),
      list,
      note(`By ${points.k} components; another class is outlined.`),
    );
  }
}

/** Many points: each a little transparent, so that dense places show. */
function opacity(points: number): number {
  return points > 50_000 ? 0.55 : points > 5000 ? 0.75 : 0.9;
}
