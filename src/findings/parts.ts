/** Usual folder names for the parts of a data set. */
const USUAL_PARTS = /^(train|training|test|testing|val|valid|validation|dev|holdout)$/i;

/** Which part each row is of. */
export interface Parts {
  /** Two or more, the first the one that the others must not share images with. */
  readonly names: readonly string[];
  /** Position in `names`, or -1. */
  readonly of: Int8Array;
}

/**
 * Parts by folder: those named, else those of the usual names (Training, Test, …) where there are two and more.
 * @param named folders, each one or several segments of an origin ("Test", "2024/test")
 */
export function partsByFolder(
  origins: readonly string[],
  named: readonly string[] | undefined,
): Parts | undefined {
  if (named !== undefined) {
    const names = named.map((name) => name.replace(/^\/+|\/+$/g, ''));
    return { names, of: Int8Array.from(origins, (origin) => partOf(origin, names)) };
  }
  const found = new Set<string>();
  for (const origin of origins) {
    const part = usualPart(origin);
    if (part !== undefined) found.add(part);
    if (found.size > 8) return undefined;
  }
  if (found.size < 2) return undefined;
  const isTraining = (name: string) => /^train/i.test(name);
  const names = [...found].sort(
    (a, b) => Number(isTraining(b)) - Number(isTraining(a)) || (a < b ? -1 : 1),
  );
  return {
    names,
    of: Int8Array.from(origins, (origin) => {
      const part = usualPart(origin);
      return part === undefined ? -1 : names.indexOf(part);
    }),
  };
}

/** The innermost folder of a usual name; a file's own name is none. */
function usualPart(origin: string): string | undefined {
  const folders = origin.split('/').slice(0, -1);
  return folders.findLast((folder) => USUAL_PARTS.test(folder));
}

function partOf(origin: string, names: readonly string[]): number {
  const folders = `/${origin.slice(0, origin.lastIndexOf('/') + 1)}`;
  return names.findIndex((name) => folders.includes(`/${name}/`));
}
