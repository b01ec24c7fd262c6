import type { PageData } from '../page-data.ts';
import { count, duration, el, nameOf, percent, rate, visible } from './dom.ts';

const NOT_TRAINED =
  'The network has seeded weights, not trained ones: the features, and what is found by them, have no meaning.';

/** What was run and how it ended, in short. */
export function header(data: PageData): HTMLElement {
  const { run, target, classes, variance, findings } = data;
  const { counts } = run;
  const options = run.options as Readonly<Record<string, unknown>>;
  const stages = run.stagesMs as Readonly<Record<string, number>>;
  const isTrained = (run.model as { trained?: boolean } | undefined)?.trained !== false;
  const found = Object.values(findings.counts).reduce((sum, kind) => sum + kind.findings, 0);
  const tiles = el(
    'dl',
    { class: 'tiles' },
    tile('images found', count(counts.discovered)),
    tile('rows', count(counts.extracted)),
    tile('rejected', count(counts.rejected), counts.rejected > 0 ? 'warn' : ''),
    tile('classes', count(classes.length)),
    tile(
      `variance in ${variance.length} components`,
      variance.length === 0 ? '–' : percent(variance.reduce((sum, share) => sum + share, 0)),
    ),
    tile('findings', count(found)),
    tile('images a second', rate(stages.pipelineImagesPerSecond ?? 0)),
    tile('time', duration(stages.total ?? 0)),
  );
  const head = el(
    'header',
    { class: 'top' },
    el('p', { class: 'brand' }, 'img2features ', el('span', {}, 'report')),
    el('h1', {}, nameOf(target)),
    el(
      'p',
      { class: 'command' },
      el('code', {}, commandOf(run.command as string, options, target)),
      el('span', { class: 'faint' }, String(run.startedAt).slice(0, 16).replace('T', ' '), ' UTC'),
    ),
    tiles,
  );
  if (!isTrained) head.append(el('p', { class: 'banner' }, NOT_TRAINED));
  return head;
}

export function navigation(): HTMLElement {
  const links = [
    ['map', 'Map'],
    ['findings', 'Findings'],
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

/** The command with the options that differ from the usual defaults. */
export function commandOf(
  command: string,
  options: Readonly<Record<string, unknown>>,
  target: string,
): string {
  const words = [
    'img2features',
    ...(command === 'extract' ? [] : [command]),
    String(options.input),
  ];
  const named = {
    mode: options.mode,
    // The one model that a mode takes by itself.
    model: options.model === 'models/vgg16' ? undefined : options.model,
    layer: options.layer,
    pool: options.pool === 'none' ? undefined : options.pool,
    with: options.with,
    k: options.k,
  };
  for (const [name, value] of Object.entries(named)) {
    if (value !== undefined && value !== null) words.push(`--${name} ${String(value)}`);
  }
  words.push(`--out ${target}`);
  return visible(words.join(' '));
}
