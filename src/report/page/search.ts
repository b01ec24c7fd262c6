import { button, count, el, nameOf, searchField } from './dom.ts';
import type { Points } from './points.ts';
import type { Thumbs } from './thumbs.ts';

const MOST_MATCHES = 50;

export interface SearchEvents {
  readonly onMatches: (points: readonly number[]) => void;
  readonly onOpen: (point: number) => void;
}

/** A field over the images' names, and what it finds. Enter opens the first image; arrow keys go through the list. */
export function imageSearch(points: Points, thumbs: Thumbs, { onMatches, onOpen }: SearchEvents) {
  let matches: number[] = [];
  const results = el('ul', { class: 'results', 'aria-label': 'Images found' });
  const status = el('span', { class: 'note', role: 'status' });
  const input = searchField('Find images by name', 'Find images by name', (wanted) => {
    matches = wanted === '' ? [] : find(points.origins, wanted);
    status.textContent = wanted === '' ? '' : `${count(matches.length)} found`;
    results.replaceChildren(...matches.slice(0, MOST_MATCHES).map(result));
    if (matches.length > MOST_MATCHES) {
      const more = `and ${count(matches.length - MOST_MATCHES)} more, marked on the map`;
      results.append(el('li', { class: 'note' }, more));
    }
    onMatches(matches);
  });
  const result = (point: number): HTMLElement => {
    const name = nameOf(points.origins[point], 'path');
    const show = () => onOpen(point);
    return el('li', {}, button({ class: 'result' }, show, thumbs.picture(point, 32), name));
  };
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && matches.length > 0) onOpen(matches[0]);
    if (event.key === 'ArrowDown') results.querySelector('button')?.focus();
  });
  results.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const all = [...results.querySelectorAll('button')];
    event.preventDefault();
    (all[all.indexOf(document.activeElement as HTMLButtonElement) + step] ?? input).focus();
  });
  return { field: el('label', { class: 'field search' }, input), status, results };
}

function find(origins: readonly string[], wanted: string): number[] {
  const found: number[] = [];
  origins.forEach((origin, i) => {
    if (origin.toLowerCase().includes(wanted)) found.push(i);
  });
  return found;
}
