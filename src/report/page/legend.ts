import { button, count, el, nameOf, note, searchField, swatch, visible } from './dom.ts';
import type { Groups } from './groups.ts';
import { css } from './palette.ts';

/** Groups shown at once; a filter finds the others. */
const MOST = 200;
/** More groups than this can be searched. */
const SEARCHED = 12;

/** Which groups are switched on, and the one that the pointer rests on, or -1. */
export type OnChange = (isOn: readonly boolean[], dwelt: number) => void;

/** The groups with their colours, each a switch. Hovering over one dims the others. */
export function legend(groups: Groups, onChange: OnChange): HTMLElement {
  const { names, title } = groups;
  const isOn = names.map(() => true);
  const boxes = new Map<number, HTMLInputElement>();
  const list = el('ul', { class: 'legend-list', 'aria-label': title });
  const remark = note('');
  const change = (isWanted: (i: number) => boolean): void => {
    names.forEach((_, i) => {
      isOn[i] = isWanted(i);
    });
    for (const [i, box] of boxes) box.checked = isOn[i];
    onChange(isOn, -1);
  };
  const order = names.map((_, i) => i);
  if (groups.key === 'class') order.sort((a, b) => (names[a] < names[b] ? -1 : 1));
  const fill = (wanted: string): void => {
    boxes.clear();
    const found = order.filter((i) => names[i].toLowerCase().includes(wanted));
    const entries = found.slice(0, MOST).map((i) => entry(groups, i, isOn, { change, onChange }));
    for (const { box, i } of entries) boxes.set(i, box);
    list.replaceChildren(...entries.map(({ item }) => item));
    const some = `${count(MOST)} of ${count(found.length)} classes; type to find others.`;
    remark.textContent = found.length > MOST ? some : '';
  };
  fill('');
  const head = el(
    'div',
    { class: 'panel-head' },
    el('h3', {}, title),
    el('span', { class: 'grow' }),
    button({}, () => change(() => true), 'All'),
    button({}, () => change(() => false), 'None'),
  );
  const search =
    names.length > SEARCHED
      ? searchField(`Find among ${count(names.length)} classes`, 'Find a class', fill)
      : undefined;
  return el('div', { class: 'legend' }, head, search, list, remark);
}

interface Changes {
  readonly change: (isWanted: (i: number) => boolean) => void;
  readonly onChange: OnChange;
}

function entry(
  { names, counts, colors }: Groups,
  i: number,
  isOn: boolean[],
  { change, onChange }: Changes,
) {
  const box = el('input', { type: 'checkbox' });
  box.checked = isOn[i];
  box.addEventListener('change', () => {
    isOn[i] = box.checked;
    onChange(isOn, -1);
  });
  const name = nameOf(names[i]);
  name.title = visible(names[i]);
  const number = el('span', { class: 'num' }, count(counts[i]));
  const only = { class: 'only', 'aria-label': `Only ${visible(names[i])}` };
  const item = el(
    'li',
    {},
    el('label', {}, box, swatch(css(colors[i])), name, number),
    button(only, () => change((other) => other === i), 'only'),
  );
  item.addEventListener('pointerenter', () => onChange(isOn, i));
  item.addEventListener('pointerleave', () => onChange(isOn, -1));
  return { i, box, item };
}
