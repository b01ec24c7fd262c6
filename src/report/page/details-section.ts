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

/** Everything that is needed to make the table again: options, model, device, versions, files with their hashes. */
export function detailsSection({ run, thumbs }: PageData): HTMLElement {
  const model = run.model as ModelFacts | undefined;
  const device = run.device as Readonly<Record<string, string | null>> | undefined;
  const machine = run.machine as { node: string; os: string; cpu: string; cpus: number };
  const section = el('section', { id: 'run' }, el('h2', {}, 'The run'));
  const columns = el('div', { class: 'columns' });
  columns.append(
    facts(
      'Options',
      Object.entries(run.options as Record<string, unknown>).map(([name, value]) => [
        name,
        text(value),
      ]),
      'two',
    ),
  );
  const about: [string, string][] = [
    ['program', `img2features ${String(run.version)}`],
    ['command', String(run.command)],
    ['started', when(String(run.startedAt))],
    ['ended', when(String(run.finishedAt))],
    ['fingerprint', String(run.fingerprint)],
    ['machine', `${machine.cpus} × ${machine.cpu}`],
    ['system', machine.os],
    ['Node', machine.node],
  ];
  if (device !== undefined) {
    about.push(['device', `${device.device} (${device.reason})`]);
    if (device.name) about.push(['device name', device.name]);
    about.push(['library', String(device.library)], ['engine', String(device.engine)]);
  }
  if (model !== undefined) {
    about.push(
      [
        'network',
        `${model.architecture}${model.trained ? '' : ', seeded weights: numbers without meaning'}`,
      ],
      ['weights SHA-256', model.weightsSha256],
      ['preprocessing', model.preprocessing],
      [
        'layers',
        model.layers
          .map(
            ({ layer, pool, length }) =>
              `${layer}${pool === 'none' ? '' : `:${pool}`} (${count(length)})`,
          )
          .join(', '),
      ],
    );
  }
  columns.append(
    facts('Machine and model', about),
    facts('Versions', Object.entries(run.libraries as Record<string, string>)),
  );
  const row = (tag: 'th' | 'td', name: string, size: string, hash: Node) =>
    el('tr', {}, el(tag, {}, visible(name)), el(tag, { class: 'num' }, size), hash);
  const rows = run.files
    .slice(0, MOST_FILES)
    .map(({ name, bytes: size, sha256 }) =>
      row('td', name, bytes(size), el('td', { class: 'hash' }, sha256)),
    );
  const head = el('thead', {}, row('th', 'File', 'Size', el('th', {}, 'SHA-256')));
  const files = el('table', { class: 'files' }, head, el('tbody', {}, ...rows));
  const some =
    run.files.length > MOST_FILES
      ? `The first ${MOST_FILES} of ${count(run.files.length)} files. `
      : '';
  section.append(
    columns,
    el('h3', {}, 'Files'),
    el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Files' }, files),
    note(
      `${some}run.json lists findings.jsonl and this page too. Pictures in this page: ${bytes(thumbs.bytes)}.`,
    ),
  );
  return section;
}

function facts(
  title: string,
  entries: readonly (readonly [string, string])[],
  className = '',
): HTMLElement {
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
