import { FINDING_KINDS } from '../../findings/finding.ts';
import type { PageData } from '../page-data.ts';
import { button, distance, el, nameOf, note, pathWithCopy, swatch, visible } from './dom.ts';
import { FINDING_TITLES } from './groups.ts';
import { css, palette, type Rgb } from './palette.ts';
import type { Layer, Neighbour, Points } from './points.ts';
import type { Thumbs } from './thumbs.ts';

const PICTURE = 288;

export interface CardEvents {
  /** -1: none. */
  readonly onSelect: (point: number) => void;
}

/** What is known of one image: its picture, path and class, what was found of it, and the images nearest to it. */
export class ImageCard {
  readonly element = el('div', { class: 'card', 'aria-live': 'polite' });
  readonly #data: PageData;
  readonly #points: Points;
  readonly #thumbs: Thumbs;
  readonly #events: CardEvents;
  readonly #colors: readonly Rgb[];

  constructor(data: PageData, points: Points, thumbs: Thumbs, events: CardEvents) {
    this.#data = data;
    this.#points = points;
    this.#thumbs = thumbs;
    this.#events = events;
    this.#colors = palette(data.classes.length);
    this.clear();
  }

  clear(): void {
    this.element.replaceChildren(
      el('h3', {}, 'One image'),
      note(
        'Click a picture or a point, or find an image by name, to see it larger, with its path and the images nearest to it.',
      ),
    );
  }

  show(selected: number, near: readonly Neighbour[], layer: Layer): void {
    const { onSelect } = this.#events;
    this.element.replaceChildren(
      el(
        'div',
        { class: 'panel-head' },
        el('h3', {}, 'One image'),
        el('span', { class: 'grow' }),
        button({ class: 'icon', 'aria-label': 'Close' }, () => onSelect(-1), '×'),
      ),
      el('div', { class: 'chosen' }, this.#thumbs.picture(selected, PICTURE)),
      pathWithCopy(this.#points.origins[selected]),
      this.tags(selected),
      el('h4', {}, 'Nearest'),
      el('ol', { class: 'neighbours' }, ...near.map((one) => this.#neighbour(one, selected))),
      note(`By ${layer.k} components of ${layer.label}; another class is outlined.`),
    );
  }

  /** The class, the part, and the kinds of findings that name the image. */
  tags(point: number): HTMLElement {
    const { classes, points } = this.#data;
    const { targets, parts, kinds } = this.#points;
    const target = targets[point];
    const spot = swatch(css(this.#colors[target]));
    const tags = el(
      'div',
      { class: 'tags' },
      el('span', { class: 'tag' }, spot, nameOf(classes[target])),
    );
    const part = parts?.[point] ?? -1;
    if (part >= 0) tags.append(el('span', { class: 'tag' }, nameOf(points.parts!.names[part])));
    FINDING_KINDS.forEach((kind, i) => {
      if (kinds[point] & (1 << i))
        tags.append(el('span', { class: 'badge' }, FINDING_TITLES[kind]));
    });
    return tags;
  }

  #neighbour({ point, distance: far }: Neighbour, selected: number): HTMLElement {
    const { origins, targets } = this.#points;
    const title = visible(origins[point]);
    const label = `${title}, distance ${distance(far)}`;
    const neighbour = button(
      { title, 'data-point': point, 'aria-label': label },
      () => this.#events.onSelect(point),
      this.#thumbs.picture(point, 64),
      el('span', { class: 'num' }, distance(far)),
    );
    neighbour.classList.toggle('other', targets[point] !== targets[selected]);
    return el('li', {}, neighbour);
  }
}
