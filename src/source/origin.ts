import { join, normalize } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * How `origin` is written: `path` = the input as given joined with the rest, `relative` = without the
 * input, `url` = file:///…, percent-encoded (what Spark's image source gives).
 */
export type OriginForm = 'path' | 'relative' | 'url';

export interface FoundPath {
  /** The input as the user wrote it. */
  readonly input: string;
  /** Path below the input; empty when the input is the image itself. */
  readonly relative: string;
  /** Absolute path. */
  readonly path: string;
}

export function originOf(form: OriginForm, found: FoundPath): string {
  if (form === 'url') return pathToFileURL(found.path).href;
  if (form === 'relative' && found.relative !== '') return found.relative;
  // A plain "." or "./" in front has no meaning; everything else stays as the user wrote it.
  return found.relative === '' ? found.input : join(normalize(found.input), found.relative);
}
