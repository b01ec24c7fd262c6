import type { QualityFigure } from '../../quality/read-figures.ts';
import type { PageData, PageQuality } from '../page-data.ts';
import { pick } from './classes-section.ts';
import { count, el, nameOf, note, percent, visible } from './dom.ts';
import type { Points } from './points.ts';
import type { Thumbs } from './thumbs.ts';

/** Classes in the matrix: those with most images mixed up. */
const MOST_CLASSES = 20;

/** How many images get their class by their features alone, and which classes are mixed up. */
export function qualitySection(
  { quality }: PageData,
  points: Points,
  thumbs: Thumbs,
  onSelect: (point: number) => void,
): HTMLElement | undefined {
  if (quality === undefined) return undefined;
  const title = el('h2', {}, 'Quality');
  if (typeof quality === 'string') {
    return el('section', { id: 'quality' }, title, note(`Not measured: ${quality}.`));
  }
  const lead = el('p', { class: 'lead' }, describeSides(quality));
  const section = el('section', { id: 'quality' }, title, lead, figuresTable(quality));
  if (quality.best !== undefined)
    section.append(el('p', { class: 'best-layer' }, bestLayer(quality)));
  for (const text of quality.notes) section.append(note(text));
  const mixed = el('div', { class: 'mixed' }, matrix(quality));
  if (quality.pairs.length > 0) {
    const pictures = (of: readonly number[]) =>
      of.filter((point) => point >= 0).map((point) => pick(point, { points, thumbs, onSelect }));
    const pairs = quality.pairs.map(({ target, taken, images, points: of }) =>
      el(
        'li',
        {},
        el(
          'p',
          {},
          `${count(images)} × `,
          nameOf(quality.classNames[target]),
          el('span', { class: 'faint' }, ' taken for '),
          nameOf(quality.classNames[taken]),
        ),
        el('ol', { class: 'strip-of-pictures' }, ...pictures(of)),
      ),
    );
    mixed.append(
      el('div', {}, el('h3', {}, 'Most mixed up'), el('ul', { class: 'mixed-pairs' }, ...pairs)),
    );
  }
  section.append(mixed);
  return section;
}

function describeSides({
  by,
  folds,
  train,
  test,
  images,
  classes,
  copied,
  unused,
}: PageQuality): string {
  const how =
    by === 'split'
      ? `Trained on ${visible(train!)}, tested on ${visible(test!)}`
      : `Tested by ${folds} folds, each by the others`;
  const left = unused.otherParts + unused.noClass + unused.rare;
  return [
    `How many images get their class by their features alone. ${how}: ${count(images)} images of ${count(classes)} classes.`,
    copied === 0
      ? 'No tested image has a copy or near copy among those trained on.'
      : `${count(copied)} tested images have a copy or near copy among those trained on: the figures in brackets are without them.`,
    ...(left === 0
      ? []
      : [
          `Not used: ${count(left)} of another part, without a class, or in a class too small for folds.`,
        ]),
  ].join(' ');
}

function bestLayer({ best, figures, headline }: PageQuality): string {
  const by = nameOfKind(figures[headline]);
  const { layer, isClear } = best!;
  return isClear
    ? `${visible(layer)} is the layer to take: it is ahead of the others by more than chance (${by}).`
    : `${visible(layer)} is ahead, but not by more than chance (${by}).`;
}

function nameOfKind({ method, neighbours, vectors }: QualityFigure): string {
  const name =
    method === 'probe'
      ? 'Linear probe'
      : neighbours === 1
        ? 'Nearest image'
        : `${neighbours} nearest images`;
  return `${name}, ${vectors} vectors`;
}

/** A row for each kind of figure, a column for each layer and, with views, for what was trained on. */
function figuresTable({ figures }: PageQuality): HTMLElement {
  const kinds = [...new Set(figures.map(nameOfKind))];
  const columnOf = ({ layer, views }: QualityFigure) => `${layer}\n${views}`;
  const columns = [...new Set(figures.map(columnOf))];
  const hasViews = figures.some(({ views }) => views === 'all');
  const head = columns.map((column) => {
    const [layer, views] = column.split('\n');
    const name = nameOf(layer);
    if (hasViews) name.append(el('small', {}, views === 'all' ? ' all views' : ' plain images'));
    return el('th', { scope: 'col', class: 'num' }, name);
  });
  const rows = kinds.map((kind) => {
    const of = figures.filter((figure) => nameOfKind(figure) === kind);
    const most = Math.max(...of.map(({ correct }) => correct));
    const cells = columns.map((column) => {
      const figure = of.find((one) => columnOf(one) === column);
      if (figure?.accuracy == null) return el('td', { class: 'num faint' }, '–');
      const { accuracy, tested, withoutCopies, correct } = figure;
      const others = withoutCopies.tested < tested ? withoutCopies.accuracy : null;
      const value = el(
        of.length > 1 && correct === most ? 'strong' : 'span',
        {},
        percent(accuracy),
      );
      const bracket =
        others === null ? undefined : el('span', { class: 'faint' }, ` (${percent(others)})`);
      return el('td', { class: 'num' }, value, bracket);
    });
    const { trained, tested } = of[0];
    const size = el('td', { class: 'num faint' }, `${count(trained)} / ${count(tested)}`);
    return el('tr', {}, el('th', { scope: 'row' }, kind), ...cells, size);
  });
  const sizes = el('th', { scope: 'col', class: 'num' }, 'images trained on / tested');
  return el(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Accuracy' },
    el(
      'table',
      { class: 'figures' },
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Accuracy'), ...head, sizes)),
      el('tbody', {}, ...rows),
    ),
  );
}

/** Images by class (rows) and the class they were taken for (columns), of the classes with most images mixed up. */
function matrix(quality: PageQuality): HTMLElement {
  const { classNames, confusion, figures, headline } = quality;
  const cells = new Map<string, number>();
  const wrong = classNames.map(() => 0);
  const all = classNames.map(() => 0);
  for (let i = 0; i < confusion.length; i += 3) {
    const [target, taken, images] = confusion.slice(i, i + 3);
    cells.set(`${target} ${taken}`, images);
    all[target] += images;
    if (target !== taken) for (const of of [target, taken]) wrong[of] += images;
  }
  const shown = classNames
    .map((_, i) => i)
    .filter((i) => all[i] + wrong[i] > 0)
    .sort((a, b) => wrong[b] - wrong[a] || a - b)
    .slice(0, MOST_CLASSES)
    .sort((a, b) => a - b);
  const head = shown.map((i, at) => {
    return el(
      'th',
      {
        scope: 'col',
        class: 'column',
        title: visible(classNames[i]),
        'aria-label': visible(classNames[i]),
      },
      at + 1,
    );
  });
  const rows = shown.map((target, at) => {
    const values = shown.map((taken) => {
      const images = cells.get(`${target} ${taken}`) ?? 0;
      const cell = el('td', {}, images === 0 ? '' : count(images));
      const share = all[target] === 0 ? 0 : images / all[target];
      if (images > 0) cell.style.setProperty('--share', `${Math.round(12 + 68 * share)}%`);
      cell.className = images === 0 ? '' : target === taken ? 'right' : 'wrong';
      return cell;
    });
    const label = el(
      'th',
      { scope: 'row' },
      el('span', { class: 'faint' }, `${at + 1} `),
      nameOf(classNames[target]),
    );
    return el('tr', {}, label, ...values);
  });
  const { layer } = figures[headline];
  const some =
    shown.length < classNames.length
      ? ` The ${shown.length} classes with most images mixed up, of ${count(classNames.length)}.`
      : '';
  return el(
    'div',
    {},
    el('h3', {}, 'Which class is taken for which'),
    el(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Confusion matrix' },
      el(
        'table',
        { class: 'matrix' },
        el('thead', {}, el('tr', {}, el('th', {}), ...head)),
        el('tbody', {}, ...rows),
      ),
    ),
    note(
      `Rows: the class of the tested images; columns: the class they were taken for. ${nameOfKind(figures[headline])} of ${visible(layer)}.${some}`,
    ),
  );
}
