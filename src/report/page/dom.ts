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
