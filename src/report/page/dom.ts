import { printable } from '../../json.ts';

/** Elements are created by code and filled by textContent alone: no name of a file can become markup. */

type Child = Node | string | number | undefined;

interface Attributes {
  readonly class?: string;
  readonly title?: string;
  readonly [name: string]: string | number | boolean | undefined;
}

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== undefined).map((child) => child as Node));
  return element;
}

export function note(text: string): HTMLElement {
  return el('p', { class: 'note' }, text);
}

export function button(
  attributes: Attributes,
  onClick: () => void,
  ...children: Child[]
): HTMLButtonElement {
  const element = el('button', { type: 'button', ...attributes }, ...children);
  element.addEventListener('click', onClick);
  return element;
}

/** A field that tells each change of its text. */
export function searchField(
  placeholder: string,
  label: string,
  onInput: (text: string) => void,
): HTMLInputElement {
  const attributes = { type: 'search', placeholder, 'aria-label': label, spellcheck: 'false' };
  const element = el('input', { ...attributes, autocomplete: 'off' });
  element.addEventListener('input', () => onInput(element.value.trim().toLowerCase()));
  return element;
}

/** A list to choose from; tells the position of what is chosen. */
export function selectField(
  label: string,
  names: readonly string[],
  chosen: number,
  onChange: (i: number) => void,
): HTMLElement {
  const choice = el('select', { 'aria-label': label });
  names.forEach((name, i) => {
    choice.append(el('option', { value: i }, visible(name)));
  });
  choice.value = String(chosen);
  choice.addEventListener('change', () => onChange(Number(choice.value)));
  return el('label', { class: 'field' }, el('span', {}, label), choice);
}

/** A few ways, of which one is on. */
export function segments(
  label: string,
  names: readonly string[],
  chosen: number,
  onChange: (i: number) => void,
): HTMLElement {
  const buttons = names.map((name, i) => button({}, () => choose(i), name));
  const show = (chosenNow: number): void => {
    buttons.forEach((one, i) => {
      one.setAttribute('aria-pressed', String(i === chosenNow));
    });
  };
  const choose = (i: number): void => {
    show(i);
    onChange(i);
  };
  show(chosen);
  return el('div', { class: 'segments', role: 'group', 'aria-label': label }, ...buttons);
}

/** A button that copies text, and says so. */
export function copyButton(text: string, what: string): HTMLButtonElement {
  const label = `Copy ${what}`;
  const copy = async (): Promise<void> => {
    const isDone = await copied(text);
    element.replaceChildren(isDone ? 'Copied' : 'Not copied');
    setTimeout(() => element.replaceChildren(copySign()), 1500);
  };
  const attributes = { class: 'copy', 'aria-label': label, title: label };
  const element = button(attributes, () => void copy(), copySign());
  return element;
}

async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A browser that has no clipboard for pages from disk may have the older command.
    const field = el('textarea', { class: 'hidden-field' });
    field.value = text;
    document.body.append(field);
    field.select();
    const isDone = document.execCommand('copy');
    field.remove();
    return isDone;
  }
}

function copySign(): SVGElement {
  return svg(
    'svg',
    { viewBox: '0 0 16 16', width: 14, height: 14, 'aria-hidden': 'true', class: 'sign' },
    svg('rect', { x: 5.5, y: 5.5, width: 8, height: 8, rx: 1.5 }),
    svg('path', { d: 'M10.5 3.5v-.5a1 1 0 0 0-1-1H3.5a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1H4' }),
  );
}

/** An image's path, whole, with a button to copy it. */
export function pathWithCopy(origin: string): HTMLElement {
  return el('div', { class: 'path-row' }, nameOf(origin, 'path'), copyButton(origin, 'the path'));
}

/** A button that saves text as a file. */
export function downloadButton(label: string, name: string, text: () => string): HTMLElement {
  const save = (): void => {
    const url = URL.createObjectURL(new Blob([text()], { type: 'text/plain' }));
    el('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  return button({}, save, label);
}

/** A spot of a class's colour. */
export function swatch(color: string): HTMLElement {
  const element = el('span', { class: 'swatch' });
  element.style.backgroundColor = color;
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg(
  tag: string,
  attributes: Readonly<Record<string, string | number>> = {},
  ...children: (Node | string)[]
): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * A name as it can be shown: characters that steer text (controls, direction marks) are written out, and the
 * rest keeps its own direction.
 */
export function nameOf(text: string, className = ''): HTMLElement {
  return el('bdi', { class: `name ${className}`.trim() }, visible(text));
}

export const visible = printable;

export {
  formatBytes as bytes,
  formatCount as count,
  formatDuration as duration,
  formatRate as rate,
} from '../../terminal/units.ts';

export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** A distance in typical distances. */
export function distance(value: number): string {
  if (value === 0) return '0';
  return value < 10 ? Number(value.toPrecision(3)).toString() : value.toFixed(1);
}
