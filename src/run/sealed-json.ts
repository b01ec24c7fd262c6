import { createHash } from 'node:crypto';
import { parseJson } from '../json.ts';
import { canonicalJson, type Json } from './canonical-json.ts';

/** JSON of a record with a SHA-256 over the rest of it, so that one changed digit is detected. */
export function sealJson(record: object): string {
  return `${JSON.stringify({ ...record, sum: sumOf(record) })}\n`;
}

/**
 * @returns the record without its sum; undefined where the text is no JSON object or has another sum. A record
 *   of version 0.1.0 has none and is accepted: the caller compares it with what else it knows.
 */
export function openSealed(text: string): object | undefined {
  try {
    const { sum, ...record } = parseJson(text, { name: 'a record', error: Error, fix: '' }) as {
      readonly sum?: unknown;
    };
    return sum === undefined || sum === sumOf(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

function sumOf(record: object): string {
  return createHash('sha256')
    .update(canonicalJson(record as Json))
    .digest('hex');
}
