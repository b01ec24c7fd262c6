import { FINDING_KINDS } from '../../findings/finding.ts';
import { printableJson } from '../../json.ts';
import type { PageData, PageFinding } from '../page-data.ts';
import { button, count, downloadButton, el, nameOf, note, pathWithCopy, visible } from './dom.ts';
import { evidence, explain } from './finding-words.ts';
import { FINDING_TITLES } from './groups.ts';
import type { Thumbs } from './thumbs.ts';

const PAGE = 12;
const PICTURES = 10;

/** What was found, by kind, with the images side by side. Kinds that were found stand in front. */
export function findingsSection(
  data: PageData,
  thumbs: Thumbs,
  onSelect: (point: number) => void,
): HTMLElement {
  const { findings } = data;
  const has = (kind: PageFinding['kind']) => findings.counts[kind].findings > 0;
  const kinds = [...FINDING_KINDS.filter(has), ...FINDING_KINDS.filter((kind) => !has(kind))];
  const tabs = el('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Kinds of findings' });
  const body = el('div', {
    class: 'tab-body',
    role: 'tabpanel',
    id: 'findings-panel',
    tabindex: 0,
  });
  const open = (kind: PageFinding['kind']): void => {
    for (const tab of buttons) {
      const isOpen = tab.dataset.kind === kind;
      tab.setAttribute('aria-selected', String(isOpen));
      tab.tabIndex = isOpen ? 0 : -1;
    }
    const shown = findings.shown.filter((finding) => finding.kind === kind);
    const entries = findingsList(shown, (finding) => entry(finding, thumbs, onSelect));
    body.replaceChildren(el('p', { class: 'lead' }, explain(kind, data)), ...entries);
    const { findings: total, listed } = findings.counts[kind];
    const rest = `The first ${count(shown.length)} of ${count(total)}; findings.jsonl lists ${count(listed)}.`;
    if (total > shown.length) body.append(note(rest));
  };
  const buttons = kinds.map((kind) => {
    const found = findings.counts[kind].findings;
    const number = el('span', { class: found === 0 ? 'count none' : 'count' }, count(found));
    const attributes = { role: 'tab', 'aria-controls': 'findings-panel', 'data-kind': kind };
    return button(attributes, () => open(kind), FINDING_TITLES[kind], number);
  });
  tabs.append(...buttons);
  listenToTabs(tabs, buttons);
  open(kinds[0]);
  const unfinished =
    'The search for pairs ended at its limit: there are more near duplicates than these.';
  const remark = findings.isComplete ? undefined : el('p', { class: 'note warn' }, unfinished);
  const head = el('div', { class: 'head' }, el('h2', {}, 'Findings'), downloads(data));
  return el('section', { id: 'findings' }, head, tabs, remark, body);
}

/** Arrow keys go from tab to tab. */
function listenToTabs(tabs: HTMLElement, buttons: readonly HTMLButtonElement[]): void {
  tabs.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (step === undefined || at < 0) return;
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.focus();
    next.click();
  });
}

/** Some findings, and a button for more. */
function findingsList(
  shown: readonly PageFinding[],
  entryOf: (finding: PageFinding) => HTMLElement,
): HTMLElement[] {
  const list = el('ul', { class: 'findings' });
  let end = 0;
  const grow = (): void => {
    list.append(...shown.slice(end, end + PAGE).map(entryOf));
    end = Math.min(shown.length, end + PAGE);
    more.hidden = end === shown.length;
    more.textContent = `Show ${count(Math.min(PAGE, shown.length - end))} more of ${count(shown.length)}`;
  };
  const more = button({ class: 'more' }, grow);
  grow();
  return [list, more];
}

function entry(
  finding: PageFinding,
  thumbs: Thumbs,
  onSelect: (point: number) => void,
): HTMLElement {
  const { origins, classes, points, images } = finding;
  const cells = origins.slice(0, PICTURES).map((origin, i) => {
    const point = points[i];
    const picture = thumbs.picture(point, origins.length > 3 ? 96 : 120);
    const label = `Show ${visible(origin)} on the map`;
    const cell =
      point < 0
        ? el('span', { class: 'pick' }, picture)
        : button({ class: 'pick', 'aria-label': label }, () => onSelect(point), picture);
    const tag = el('span', { class: 'tag' }, nameOf(classes[i]));
    return el('figure', {}, cell, el('figcaption', {}, tag, pathWithCopy(origin)));
  });
  const left = images - cells.length;
  const rest = left > 0 ? el('span', { class: 'note' }, `and ${count(left)} more`) : undefined;
  return el(
    'li',
    { class: cells.length > 4 ? 'wide' : undefined },
    el('div', { class: 'evidence' }, ...evidence(finding)),
    el('div', { class: 'pictures' }, ...cells, rest),
  );
}

/** The findings of the page as files, where there are any. */
function downloads({ findings: { shown, counts } }: PageData): HTMLElement | undefined {
  if (shown.length === 0) return undefined;
  const all = Object.values(counts).reduce((sum, { findings }) => sum + findings, 0);
  const which = shown.length < all ? `first ${count(shown.length)} of ${count(all)}` : 'all';
  return el(
    'div',
    { class: 'downloads' },
    el('span', { class: 'note' }, `Save ${which}:`),
    downloadButton('JSONL', 'findings.jsonl', () => findingsJsonl(shown)),
    downloadButton('CSV', 'findings.csv', () => findingsCsv(shown)),
  );
}

/** The lines of findings.jsonl. */
export function findingsJsonl(shown: readonly PageFinding[]): string {
  return shown.map(({ points: _, ...line }) => `${printableJson(line)}\n`).join('');
}

/** A line for each image of each finding; the evidence is JSON. */
export function findingsCsv(shown: readonly PageFinding[]): string {
  const lines = shown.flatMap(({ kind, origins, classes, images, threshold, evidence: of }, i) =>
    origins.map((origin, at) => {
      return [i + 1, kind, origin, classes[at], images, threshold ?? '', printableJson(of)];
    }),
  );
  const head = ['finding', 'kind', 'origin', 'class', 'images', 'threshold', 'evidence'];
  return [head, ...lines].map((line) => `${line.map(csvField).join(',')}\r\n`).join('');
}

function csvField(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
