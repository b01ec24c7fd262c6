import type { PageData, PageRejection } from '../page-data.ts';
import { count, el, nameOf, note, searchField, visible } from './dom.ts';

/** Lines shown of one reason before a search narrows them. */
const MOST = 50;

/** Images without a row, by reason, with a search over names and messages. */
export function rejectedSection({ run, rejected }: PageData): HTMLElement {
  const { counts } = run;
  const section = el(
    'section',
    { id: 'rejected' },
    el('h2', {}, 'Rejected ', el('small', {}, count(counts.rejected))),
  );
  if (counts.rejected === 0) {
    section.append(note(`All ${count(counts.extracted)} images have their row.`));
    return section;
  }
  const search = searchField('Find by name or message', 'Find a rejected image', fill);
  const groups = el('div', { class: 'groups' });
  const status = el('p', { class: 'note', role: 'status' });
  section.append(
    el('div', { class: 'toolbar' }, el('label', { class: 'field search' }, search)),
    groups,
    status,
  );
  fill('');
  return section;

  function fill(wanted: string): void {
    const byReason = new Map<string, PageRejection[]>();
    for (const rejection of rejected) {
      const isFound = `${rejection.origin} ${rejection.reason} ${rejection.message}`
        .toLowerCase()
        .includes(wanted);
      if (!isFound) continue;
      byReason.set(rejection.reason, [...(byReason.get(rejection.reason) ?? []), rejection]);
    }
    const reasons = [...byReason].sort((a, b) => b[1].length - a[1].length);
    groups.replaceChildren(
      ...reasons.map(([reason, list], i) => {
        const total =
          wanted === '' ? (counts.rejectedByReason[reason] ?? list.length) : list.length;
        const items = list.slice(0, MOST).map(({ origin, message }) => {
          const why = el('span', { class: 'faint' }, visible(message));
          return el('li', {}, nameOf(origin, 'path'), why);
        });
        const name = el('span', { class: 'reason' }, visible(reason));
        const head = el('summary', {}, name, el('span', { class: 'count' }, count(total)));
        const group = el('details', {}, head, el('ul', { class: 'rejections' }, ...items));
        group.open = wanted !== '' || reasons.length === 1 || i === 0;
        if (total > items.length)
          group.append(note(`and ${count(total - items.length)} more; rejected.jsonl lists all.`));
        return group;
      }),
    );
    status.textContent =
      reasons.length === 0 ? 'None of those listed here matches; rejected.jsonl lists all.' : '';
  }
}
