/**
 * Classes of WebDataset samples: files of one folder whose names are equal up to their first dot are one sample
 * (https://github.com/webdataset/webdataset, "The WebDataset Format").
 */
import { TARGET_NAMES } from '../row-columns.ts';
import type { Member } from './member.ts';

/** Files that hold a class, the first that a sample has is taken. */
const LABEL_FILES = ['cls', 'json', 'txt'] as const;
type LabelFile = (typeof LABEL_FILES)[number];

/** Fields of .json, as the columns of a list of images. */
const JSON_FIELDS = [...TARGET_NAMES, 'cls'];

/** More is no name of a class. */
const MOST_LABEL_BYTES = 1000;
const MOST_JSON_BYTES = 1 << 20;

/** Labels of one archive, collected while its members are listed. */
export class SampleLabels {
  readonly #files: Record<LabelFile, Map<string, Member>> = {
    cls: new Map(),
    json: new Map(),
    txt: new Map(),
  };
  readonly #bytes: (member: Member) => Promise<Uint8Array>;
  /** Samples whose class is that of a file of this kind. */
  readonly used: Record<LabelFile, number> = { cls: 0, json: 0, txt: 0 };

  /** @param bytes the content of a member */
  constructor(bytes: (member: Member) => Promise<Uint8Array>) {
    this.#bytes = bytes;
  }

  /** @returns whether the member may hold a class */
  add(member: Member): boolean {
    const { key, extension } = sampleOf(member.name);
    const kind = LABEL_FILES.find((one) => one === extension);
    if (kind === undefined || member.part === undefined) return false;
    this.#files[kind].set(key, member);
    return true;
  }

  /** Of the sample that the image belongs to; undefined where it has none. @throws DecodeError where its file cannot be read */
  async labelOf(image: string): Promise<string | undefined> {
    const { key } = sampleOf(image);
    for (const kind of LABEL_FILES) {
      const member = this.#files[kind].get(key);
      const label = member && (await this.#read(member, kind));
      if (label === undefined) continue;
      this.used[kind]++;
      return label;
    }
    return undefined;
  }

  async #read(member: Member, kind: LabelFile): Promise<string | undefined> {
    if (member.size > (kind === 'json' ? MOST_JSON_BYTES : MOST_LABEL_BYTES)) return undefined;
    const text = new TextDecoder().decode(await this.#bytes(member)).trim();
    if (kind !== 'json') return text === '' || text.includes('\n') ? undefined : text;
    return fieldOf(text);
  }
}

function fieldOf(text: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    const fields = parsed as Record<string, unknown>;
    for (const name of JSON_FIELDS) {
      const value = fields[name];
      if (typeof value === 'string' || typeof value === 'number') return String(value);
    }
  } catch {} // it is no label then
  return undefined;
}

function sampleOf(name: string): { readonly key: string; readonly extension: string } {
  const dot = name.indexOf('.', name.lastIndexOf('/') + 1);
  if (dot === -1) return { key: name, extension: '' };
  return { key: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() };
}
