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

export function visible(text: string): string {
  return text.replace(/\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}

export { formatCount as count, formatRate as rate } from '../../terminal/units.ts';

export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}

export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 ? size : size.toFixed(size < 10 ? 1 : 0)} ${units[unit]}`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** A distance in typical distances. */
export function distance(value: number): string {
  if (value === 0) return '0';
  return value < 10 ? Number(value.toPrecision(3)).toString() : value.toFixed(1);
}
