import type { PageData } from '../page-data.ts';
import { button, count, el, nameOf, note, percent, swatch, visible } from './dom.ts';
import { css, palette, type Rgb } from './palette.ts';
import type { Points } from './points.ts';
import type { Thumbs } from './thumbs.ts';

/** Classes shown at first, and after a request for all. */
const MOST = 24;
const ALL = 2000;

/** Classes and their sizes, the largest first; each with a strip of pictures, from typical to odd. */
export function classesSection(
  data: PageData,
  points: Points,
  thumbs: Thumbs,
  onSelect: (point: number) => void,
): HTMLElement {
  const { classes, classCounts, strips } = data;
  const colors = palette(classes.length);
  const order = classes.map((_, i) => i).sort((a, b) => classCounts[b] - classCounts[a] || a - b);
  const pictured = new Set(thumbs.points);
  const list = el('ul', { class: 'classes' });
  const add = (from: number, to: number): void => {
    for (const i of order.slice(from, to)) {
      const strip = strips[i].filter((point) => pictured.has(point));
      const pictures = strip.map((point) => pick(point, { points, thumbs, onSelect }));
      list.append(classRow(data, i, colors[i], pictures));
    }
  };
  add(0, MOST);
  const small = el('small', {}, count(classes.length));
  const lead = el(
    'p',
    { class: 'lead' },
    'Pictures of each class from the most typical to the oddest: evenly by rank of their distance from the centre of the class.',
  );
  const hasStrips = strips.some((strip) => strip.some((point) => pictured.has(point)));
  const section = el(
    'section',
    { id: 'classes' },
    el('h2', {}, 'Classes ', small),
    hasStrips ? lead : undefined,
    list,
  );
  if (order.length > MOST) {
    const which = order.length > ALL ? `${count(ALL)} of` : 'all';
    const showAll = (): void => {
      more.remove();
      add(MOST, ALL);
    };
    const more = button({ class: 'more' }, showAll, `Show ${which} ${count(order.length)}`);
    section.append(more);
  }
  section.append(note(unevenness(data, order)));
  return section;
}

/** A picture of a strip: a click shows it on the map. */
export function pick(
  point: number,
  page: {
    readonly points: Points;
    readonly thumbs: Thumbs;
    readonly onSelect: (point: number) => void;
  },
): HTMLElement {
  const name = visible(page.points.origins[point]);
  const attributes = { class: 'pick', title: name, 'aria-label': `Show ${name} on the map` };
  const picture = page.thumbs.picture(point, 72);
  return el(
    'li',
    {},
    button(attributes, () => page.onSelect(point), picture),
  );
}

function classRow(
  { classes, classCounts }: PageData,
  i: number,
  color: Rgb,
  pictures: readonly HTMLElement[],
): HTMLElement {
  const most = Math.max(1, ...classCounts);
  const rows = classCounts.reduce((sum, n) => sum + n, 0);
  const bar = el('span', { class: 'bar' });
  bar.style.width = `${(100 * classCounts[i]) / most}%`;
  bar.style.backgroundColor = css(color);
  const share = percent(classCounts[i] / Math.max(1, rows));
  const name = nameOf(classes[i]);
  name.title = visible(classes[i]);
  return el(
    'li',
    {},
    el(
      'div',
      { class: 'class-facts' },
      el('div', { class: 'class-name' }, swatch(css(color)), name),
      el('span', { class: 'track' }, bar),
      el('div', {}, count(classCounts[i]), ' ', el('span', { class: 'faint' }, share)),
    ),
    pictures.length > 0
      ? el(
          'ol',
          { class: 'strip-of-pictures', 'aria-label': `${visible(classes[i])}, typical to odd` },
          ...pictures,
        )
      : undefined,
  );
}

/** Empty where the classes are of similar size. */
function unevenness({ classes, classCounts }: PageData, order: readonly number[]): string {
  const most = classCounts[order[0]] ?? 0;
  const fewest = classCounts[order.at(-1)!] ?? 0;
  if (classes.length < 2 || most <= 3 * fewest) return '';
  const times = (most / Math.max(1, fewest)).toFixed(1);
  return `The largest class has ${times} times the images of the smallest.`;
}
