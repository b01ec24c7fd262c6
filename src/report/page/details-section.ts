import type { PageData } from '../page-data.ts';
import { bytes, count, el, note, visible } from './dom.ts';

/** Files listed; run.json has all. */
const MOST_FILES = 60;

interface ModelFacts {
  readonly architecture: string;
  readonly preprocessing: string;
  readonly trained: boolean;
  readonly weightsSha256: string;
  readonly layers: readonly {
    readonly layer: string;
    readonly pool: string;
    readonly length: number;
  }[];
}

type Fact = readonly [name: string, value: string];

/** Everything that is needed to make the table again: options, model, device, versions, files with their hashes. */
export function detailsSection({ run, thumbs }: PageData): HTMLElement {
  const options = Object.entries(run.options as Record<string, unknown>).map(
    ([name, value]): Fact => [name, text(value)],
  );
  const versions = Object.entries(run.libraries as Record<string, string>);
  const about = [...machineFacts(run), ...deviceFacts(run), ...modelFacts(run)];
  const some =
    run.files.length > MOST_FILES
      ? `The first ${MOST_FILES} of ${count(run.files.length)} files. `
      : '';
  return el(
    'section',
    { id: 'run' },
    el('h2', {}, 'The run'),
    el(
      'div',
      { class: 'columns' },
      facts('Options', options, 'two'),
      facts('Machine and model', about),
      facts('Versions', versions),
    ),
    el('h3', {}, 'Files'),
    el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Files' }, files(run)),
    note(
      `${some}run.json lists findings.jsonl and this page too. Pictures in this page: ${bytes(thumbs.bytes)}.`,
    ),
  );
}

function machineFacts(run: PageData['run']): Fact[] {
  const machine = run.machine as { node: string; os: string; cpu: string; cpus: number };
  return [
    ['program', `img2features ${String(run.version)}`],
    ['command', String(run.command)],
    ['started', when(String(run.startedAt))],
    ['ended', when(String(run.finishedAt))],
    ['fingerprint', String(run.fingerprint)],
    ['machine', `${machine.cpus} × ${machine.cpu}`],
    ['system', machine.os],
    ['Node', machine.node],
  ];
}

function deviceFacts(run: PageData['run']): Fact[] {
  const device = run.device as Readonly<Record<string, string | null>> | undefined;
  if (device === undefined) return [];
  return [
    ['device', `${device.device} (${device.reason})`],
    ...(device.name ? [['device name', device.name] as const] : []),
    ['library', String(device.library)],
    ['engine', String(device.engine)],
  ];
}

function modelFacts(run: PageData['run']): Fact[] {
  const model = run.model as ModelFacts | undefined;
  if (model === undefined) return [];
  const layers = model.layers.map(
    ({ layer, pool, length }) => `${layer}${pool === 'none' ? '' : `:${pool}`} (${count(length)})`,
  );
  const seeded = model.trained ? '' : ', seeded weights: numbers without meaning';
  return [
    ['network', `${model.architecture}${seeded}`],
    ['weights SHA-256', model.weightsSha256],
    ['preprocessing', model.preprocessing],
    ['layers', layers.join(', ')],
  ];
}

function files(run: PageData['run']): HTMLElement {
  const row = (tag: 'th' | 'td', name: string, size: string, hash: Node) =>
    el('tr', {}, el(tag, {}, visible(name)), el(tag, { class: 'num' }, size), hash);
  const rows = run.files
    .slice(0, MOST_FILES)
    .map(({ name, bytes: size, sha256 }) =>
      row('td', name, bytes(size), el('td', { class: 'hash' }, sha256)),
    );
  const head = el('thead', {}, row('th', 'File', 'Size', el('th', {}, 'SHA-256')));
  return el('table', { class: 'files' }, head, el('tbody', {}, ...rows));
}

function facts(title: string, entries: readonly Fact[], className = ''): HTMLElement {
  const list = el('dl', { class: `facts ${className}` });
  for (const [name, value] of entries)
    list.append(el('dt', {}, visible(name)), el('dd', {}, visible(value)));
  return el('div', {}, el('h3', {}, title), list);
}

function text(value: unknown): string {
  if (value === null || value === undefined) return '–';
  if (Array.isArray(value)) return value.join(', ');
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map(([name, of]) => `${name} ${String(of)}`)
    .join(', ');
}

function when(iso: string): string {
  return iso.replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
}
