import { createHash } from 'node:crypto';

/**
 * Everything but the images themselves that changes the bytes of a run, by name: options, model, input.
 * The name is in the message when it differs, so options are named as on the command line.
 *
 * @example { input: 'photos', mode: 'vgg16', layer: ['fc2'], pool: 'none', k: 10, 'model weights': sha256 }
 */
export type RunIdentity = { readonly [name: string]: Json | undefined };

/** SHA-256 over the canonical JSON, hex. */
export function fingerprint(identity: RunIdentity): string {
  return createHash('sha256').update(canonicalJson(identity)).digest('hex');
}

/** One phrase for each member that differs: `--k was 10 and is now 5`. Empty when nothing does. */
export function describeDifference(
  before: RunIdentity,
  now: RunIdentity,
  phrase = (name: string, was: string, is: string) => `${name} was ${was} and is now ${is}`,
): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
  return names.flatMap((name) => {
    const was = print(before[name]);
    const is = print(now[name]);
    return was === is ? [] : [phrase(name, was, is)];
  });
}

function print(value: Json | undefined): string {
  if (value === undefined) return 'not set';
  const text = typeof value === 'string' ? value : canonicalJson(value);
  // Half of a hash is enough to distinguish two models.
  return /^[0-9a-f]{64}$/.test(text) ? `${text.slice(0, 12)}…` : text;
}

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/** JSON with sorted keys and no spaces: equal values give equal text. Undefined members are left out. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value as Record<string, Json | undefined>)
      .filter((member): member is [string, Json] => member[1] !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}
