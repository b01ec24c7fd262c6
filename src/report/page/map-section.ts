import type { PageData } from '../page-data.ts';
import { button, count, el, nameOf, note, percent, segments, selectField } from './dom.ts';
import type { Groups } from './groups.ts';
import { groupings } from './groups.ts';
import { ImageCard } from './image-card.ts';
import { legend } from './legend.ts';
import { Plot } from './plot.ts';
import { type Layer, nearest, type Points } from './points.ts';
import { imageSearch } from './search.ts';
import type { Thumbs } from './thumbs.ts';

const NEIGHBOURS = 12;

/** The scatter plot with its choices, search and legend, and the image that is looked at with its neighbours. */
export class MapSection {
  readonly element: HTMLElement;
  readonly #points: Points;
  readonly #thumbs: Thumbs;
  readonly #plot: Plot;
  readonly #card: ImageCard;
  readonly #tip = el('div', { class: 'tip', hidden: true });
  readonly #legend = el('div', {});
  readonly #axes = el('span', { class: 'axes' });
  #layer: Layer;
  #selected = -1;
  #neighbours: number[] = [];
  #matches: readonly number[] = [];

  constructor(data: PageData, points: Points, thumbs: Thumbs) {
    this.#points = points;
    this.#thumbs = thumbs;
    this.#layer = points.layers[0];
    const ways = groupings(data, points);
    this.#plot = new Plot(points.count, ways[0], thumbs, {
      onHover: (point, x, y) => this.#showTip(point, x, y),
      onSelect: (point) => this.#choose(point),
    });
    this.#plot.element.append(this.#tip, zoomButtons(this.#plot));
    this.#card = new ImageCard(data, points, thumbs, {
      onSelect: (point) => (point < 0 ? this.#choose(-1) : this.select(point)),
    });
    const search = imageSearch(points, thumbs, {
      onMatches: (matches) => {
        this.#matches = matches;
        this.#mark();
      },
      onOpen: (point) => this.select(point),
    });
    const body = el(
      'div',
      { class: 'map-body' },
      this.#plot.element,
      el('div', { class: 'side' }, search.results, this.#card.element, this.#legend),
    );
    const toolbar = el(
      'div',
      { class: 'toolbar' },
      ...this.#choices(ways),
      search.field,
      search.status,
    );
    const hint = note(hintOf(data, points));
    const heading = el('h2', {}, 'Map');
    this.element = el('section', { id: 'map', class: 'map' }, heading, toolbar, body, hint);
    this.element.dataset.drawer = this.#plot.kind;
    this.#color(ways[0]);
    this.#showLayer(this.#layer);
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#selected >= 0) this.#choose(-1);
    });
  }

  /** Shows a point with its neighbours, and moves the view to it. */
  select(point: number): void {
    this.#choose(point);
    this.#plot.reveal(point);
  }

  /** What the toolbar offers: only what there is more than one of. */
  #choices(ways: readonly Groups[]): HTMLElement[] {
    const { layers } = this.#points;
    const choices: HTMLElement[] = [];
    if (layers.length > 1) {
      const names = layers.map(({ label }) => label);
      choices.push(selectField('Layer', names, 0, (i) => this.#showLayer(layers[i])));
    }
    choices.push(this.#axes);
    if (ways.length > 1) {
      const names = ways.map(({ title }) => title);
      choices.push(selectField('Colour', names, 0, (i) => this.#color(ways[i])));
    }
    if (this.#thumbs.points.length > 0) {
      this.#plot.showPictures(true);
      const show = (i: number) => this.#plot.showPictures(i === 0);
      choices.push(segments('Show', ['Pictures', 'Points'], 0, show));
    }
    return choices;
  }

  #showLayer(layer: Layer): void {
    this.#layer = layer;
    const axes: [number, number] = [0, Math.min(1, layer.k - 1)];
    const names = Array.from({ length: layer.k }, (_, c) => {
      const share = layer.variance[c];
      return share === undefined ? `PC ${c + 1}` : `PC ${c + 1} · ${percent(share)}`;
    });
    const field = (label: string, place: 0 | 1) =>
      selectField(label, names, axes[place], (component) => {
        axes[place] = component;
        this.#showAxes(axes);
      });
    this.#axes.replaceChildren(field('Across', 0), field('Up', 1));
    this.#showAxes(axes);
    if (this.#selected >= 0) this.#choose(this.#selected);
  }

  #showAxes([x, y]: readonly [number, number]): void {
    const { values, k } = this.#layer;
    const component = (c: number) => {
      const column = new Float32Array(this.#points.count);
      for (let i = 0; i < column.length; i++) column[i] = values[i * k + c];
      return column;
    };
    this.#plot.setPoints(component(x), component(y));
  }

  #color(groups: Groups): void {
    const strong = opacity(this.#points.count);
    const apply = (isOn: readonly boolean[], dwelt: number): void => {
      const dims = dwelt >= 0 && isOn[dwelt];
      const strength = isOn.map((on, i) => {
        if (!on) return 0;
        if (dims) return i === dwelt ? strong : 0.08;
        return i === groups.rest ? 0.35 * strong : strong;
      });
      this.#plot.setGroups(groups, Float32Array.from(strength));
    };
    this.#legend.replaceChildren(legend(groups, apply));
    apply(
      groups.names.map(() => true),
      -1,
    );
  }

  #choose(point: number): void {
    this.#selected = point;
    this.#tip.hidden = true;
    const near = point < 0 ? [] : nearest(this.#layer, point, NEIGHBOURS);
    this.#neighbours = near.map((neighbour) => neighbour.point);
    if (point < 0) this.#card.clear();
    else this.#card.show(point, near, this.#layer);
    this.#mark();
  }

  #mark(): void {
    this.#plot.setMarks({
      selected: this.#selected,
      neighbours: this.#neighbours,
      matches: this.#matches,
    });
  }

  #showTip(point: number, left: number, top: number): void {
    const tip = this.#tip;
    // What stands beside the map already needs no tip.
    const isBeside = point === this.#selected && matchMedia('(min-width: 1001px)').matches;
    tip.hidden = point < 0 || isBeside;
    if (tip.hidden) return;
    if (tip.dataset.point !== String(point)) {
      tip.dataset.point = String(point);
      const name = nameOf(this.#points.origins[point], 'path');
      tip.replaceChildren(
        this.#thumbs.picture(point, 112),
        el('div', {}, name, this.#card.tags(point)),
      );
    }
    const box = this.#plot.element.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = tip;
    tip.style.left = `${Math.max(4, Math.min(left + 16, box.width - width - 4))}px`;
    tip.style.top = `${top + 18 + height > box.height ? Math.max(4, top - height - 14) : top + 18}px`;
  }
}

function zoomButtons(plot: Plot): HTMLElement {
  return el(
    'div',
    { class: 'zoom' },
    button({ class: 'icon', 'aria-label': 'Zoom in' }, () => plot.zoom(1.5), '+'),
    button({ class: 'icon', 'aria-label': 'Zoom out' }, () => plot.zoom(1 / 1.5), '−'),
    button({}, () => plot.reset(), 'Show all'),
  );
}

function hintOf({ points: { rows }, thumbs }: PageData, { count: shown }: Points): string {
  const some = shown < rows ? `${count(shown)} of ${count(rows)} rows, spread evenly. ` : '';
  return `${some}Distances are in units of the distance between two random images. Drag to move; scroll zooms once the map is clicked, two fingers on a phone; more pictures show as you zoom. ${thumbs.note}`;
}

/** Many points: each a little transparent, so that dense places show. */
function opacity(points: number): number {
  return points > 50_000 ? 0.55 : points > 5000 ? 0.75 : 0.9;
}
