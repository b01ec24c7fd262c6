import { UNPRINTABLE } from '../json.ts';

/**
 * Names come from other people's disks: control and direction characters in them must not move the
 * cursor, colour the terminal, break a line or reverse its direction.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}
