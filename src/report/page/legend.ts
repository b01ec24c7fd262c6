import { button, count, el, nameOf, note, searchField, swatch, visible } from './dom.ts';
import { css, type Rgb } from './palette.ts';

/** Classes shown at once; a filter finds the others. */
const MOST = 200;

export interface Legend {
  readonly element: HTMLElement;
  /** Whether each class is switched on. */
  readonly isOn: readonly boolean[];
}

/** The classes with their colours, each a switch. Hovering over one dims the others. */
export function openLegend(
  classes: readonly string[],
  counts: readonly number[],
  colors: readonly Rgb[],
  onChange: (isOn: readonly boolean[], dwelt: number) => void,
): Legend {
  const isOn = classes.map(() => true);
  const boxes = new Map<number, HTMLInputElement>();
  const list = el('ul', { class: 'legend-list', 'aria-label': 'Classes' });
  const remark = note('');
  const setAll = (value: boolean): void => {
    isOn.fill(value);
    for (const box of boxes.values()) box.checked = value;
    onChange(isOn, -1);
  };
  const order = classes.map((_, i) => i).sort((a, b) => (classes[a] < classes[b] ? -1 : 1));

  function fill(wanted: string): void {
    list.replaceChildren();
    boxes.clear();
    const found = order.filter((i) => classes[i].toLowerCase().includes(wanted));
    for (const i of found.slice(0, MOST)) list.append(entry(i));
    remark.textContent =
      found.length > MOST
        ? `${count(MOST)} of ${count(found.length)} classes; type to find others.`
        : '';
  }

  function entry(i: number): HTMLElement {
    const box = el('input', { type: 'checkbox' });
    box.checked = isOn[i];
    boxes.set(i, box);
    box.addEventListener('change', () => {
      isOn[i] = box.checked;
      onChange(isOn, -1);
    });
    const showOnly = (): void => {
      isOn.fill(false);
      isOn[i] = true;
      for (const [other, otherBox] of boxes) otherBox.checked = other === i;
      onChange(isOn, -1);
    };
    const number = el('span', { class: 'num' }, count(counts[i]));
    const label = { class: 'only', 'aria-label': `Only ${visible(classes[i])}` };
    const item = el(
      'li',
      {},
      el('label', {}, box, swatch(css(colors[i])), nameOf(classes[i]), number),
      button(label, showOnly, 'only'),
    );
    item.addEventListener('pointerenter', () => onChange(isOn, i));
    item.addEventListener('pointerleave', () => onChange(isOn, -1));
    return item;
  }

  const head = el(
    'div',
    { class: 'panel-head' },
    el('h3', {}, 'Classes'),
    el('span', { class: 'grow' }),
    button({}, () => setAll(true), 'All'),
    button({}, () => setAll(false), 'None'),
  );
  const element = el('div', { class: 'legend' }, head);
  if (classes.length > 12) {
    element.append(
      searchField(`Find among ${count(classes.length)} classes`, 'Find a class', fill),
    );
  }
  element.append(list, remark);
  fill('');
  return { element, isOn };
}
