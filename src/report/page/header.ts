import type { PageData } from '../page-data.ts';
import { copyButton, count, duration, el, nameOf, percent, rate, visible } from './dom.ts';

const NOT_TRAINED =
  'The network has seeded weights, not trained ones: the features, and what is found by them, have no meaning.';

/** What was run and how it ended, in short. */
export function header(data: PageData): HTMLElement {
  const { run, target, classes, findings, command } = data;
  const { counts } = run;
  const variance = data.points.layers[0]?.variance ?? [];
  const stages = run.stagesMs as Readonly<Record<string, number>>;
  const isTrained = (run.model as { trained?: boolean } | undefined)?.trained !== false;
  const found = Object.values(findings.counts).reduce((sum, kind) => sum + kind.findings, 0);
  const tiles = el(
    'dl',
    { class: 'tiles' },
    tile('images', count(counts.discovered)),
    tile('rows', count(counts.rows ?? counts.extracted)),
    tile('rejected', count(counts.rejected), counts.rejected > 0 ? 'warn' : ''),
    tile('classes', count(classes.length)),
    tile(
      `variance, ${variance.length} components`,
      variance.length === 0 ? '–' : percent(variance.reduce((sum, share) => sum + share, 0)),
    ),
    tile('findings', count(found)),
    tile('images/s', rate(stages.pipelineImagesPerSecond ?? 0)),
    tile('time', duration(stages.total ?? 0)),
  );
  const head = el(
    'header',
    { class: 'top' },
    el(
      'p',
      { class: 'brand' },
      'img2features ',
      el('span', {}, 'report'),
      ` · ${when(String(run.startedAt))}`,
    ),
    el('h1', {}, nameOf(target)),
    el(
      'div',
      { class: 'command' },
      el('code', {}, visible(command)),
      copyButton(command, 'the command'),
    ),
    tiles,
  );
  if (!isTrained) head.append(el('p', { class: 'banner' }, NOT_TRAINED));
  return head;
}

export function navigation({ quality }: PageData): HTMLElement {
  const links = [
    ['map', 'Map'],
    ['findings', 'Findings'],
    ...(quality === undefined ? [] : [['quality', 'Quality']]),
    ['classes', 'Classes'],
    ['variance', 'Variance'],
    ['time', 'Time'],
    ['rejected', 'Rejected'],
    ['run', 'The run'],
  ];
  return el(
    'nav',
    { 'aria-label': 'Sections' },
    ...links.map(([id, label]) => el('a', { href: `#${id}` }, label)),
  );
}

function tile(label: string, value: string, className = ''): HTMLElement {
  return el('div', { class: className }, el('dt', {}, label), el('dd', {}, value));
}

function when(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')} UTC`;
}
