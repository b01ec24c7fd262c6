/** Extensions that make a file an image to the listing; what it really holds is found by its bytes. */
export const IMAGE_EXTENSIONS = [
  ...['jpg', 'jpeg', 'jpe', 'jfif', 'jif', 'pjpeg', 'pjp', 'mpo'],
  ...['png', 'apng', 'webp', 'gif', 'bmp', 'dib', 'tif', 'tiff'],
] as const;

/** What systems store beside images: hidden names, thumbnails of NAS devices, bins, snapshots, leftovers of archives. */
export const EXCLUDED = [
  ...['.*', '@eaDir', '#recycle', '#snapshot', '$RECYCLE.BIN', 'System Volume Information'],
  ...['lost+found', '__MACOSX'],
] as const;

interface Pattern {
  readonly text: string;
  readonly regExp: RegExp;
  /** Matched against the path below the input, not against one name. */
  readonly isPath: boolean;
  /** `!pattern`: what it matches is read, though an earlier pattern excludes it. */
  readonly isKept: boolean;
}

/** Which names below an input are read; the same for folders on disk and prefixes of a store. */
export class NameRule {
  readonly #extensions: ReadonlySet<string> | undefined;
  readonly #patterns: readonly Pattern[];
  /** Most names match no pattern: one test is enough. */
  readonly #anyName: RegExp;

  /**
   * @param extensions without dots, lower case; `none` means a name without one; `any` reads every file
   * @param exclude patterns beside EXCLUDED; the last one that matches decides
   */
  constructor(
    extensions: 'any' | readonly string[] = IMAGE_EXTENSIONS,
    exclude: readonly string[] = [],
  ) {
    this.#extensions = extensions === 'any' ? undefined : new Set(extensions);
    this.#patterns = [...EXCLUDED, ...exclude].map(parsePattern);
    const names = this.#patterns.filter(({ isPath }) => !isPath);
    this.#anyName = new RegExp(names.map(({ regExp }) => regExp.source).join('|'), 'su');
  }

  /**
   * Why a folder is not looked into, as the counts name it; undefined where it is.
   * @param path below the input, with `/` between names
   */
  whyNotFolder(path: string): string | undefined {
    return this.#excludedBy(path) === undefined ? undefined : `folder ${nameOf(path)}`;
  }

  /** Why a file is not read, as the counts name it; undefined where it is. */
  whyNotFile(path: string): string | undefined {
    const pattern = this.#excludedBy(path);
    if (pattern !== undefined) return `name ${pattern}`;
    if (this.#extensions === undefined) return undefined;
    const extension = extensionOf(nameOf(path));
    if (this.#extensions.has(extension === '' ? 'none' : extension)) return undefined;
    return extension === '' ? 'no extension' : `extension .${extension}`;
  }

  /** The first folder above a file that is not looked into, as a path below the input; undefined where there is none. */
  excludedFolder(path: string): string | undefined {
    for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      if (this.#excludedBy(folder) !== undefined) return folder;
    }
    return undefined;
  }

  /** For people. */
  get extensions(): string {
    return this.#extensions === undefined ? 'any' : [...this.#extensions].join(', ');
  }

  #excludedBy(path: string): string | undefined {
    const name = nameOf(path);
    let by: string | undefined;
    const isAny = this.#anyName.test(name);
    for (const { text, regExp, isPath, isKept } of this.#patterns) {
      if ((isPath || isAny) && regExp.test(isPath ? path : name)) by = isKept ? undefined : text;
    }
    return by;
  }
}

/** Whether a name ends as those of images do. */
export function isImageName(name: string): boolean {
  return (IMAGE_EXTENSIONS as readonly string[]).includes(extensionOf(name));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : '';
}

/** `*` and `?` stay within a name, `**` crosses folders; a pattern with a slash is matched against the whole path. */
function parsePattern(text: string): Pattern {
  const isKept = text.startsWith('!');
  const glob = isKept ? text.slice(1) : text;
  const isPath = glob.replace(/\/$/, '').includes('/');
  const source = glob.replace(/^\/|\/$/g, '').replace(/\*\*\/|\*\*|[*?]|[^*?]/gsu, (part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : part.replace(/[\\^$.|+()[\]{}/]/, '\\$&');
  });
  // `.` and `..` are names in a store, and are not hidden names.
  const regExp = new RegExp(`^(?!\\.{1,2}$)(?:${source})$`, 'su');
  return { text, regExp, isPath, isKept };
}
