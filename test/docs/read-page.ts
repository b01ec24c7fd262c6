import { readFileSync } from 'node:fs';

/** One fenced block of a page: "```sh python" has the language sh and the note "python". */
export interface Block {
  readonly language: string;
  /** The rest of the fence's line: a file's name, or a mark such as "norun". */
  readonly note: string;
  readonly code: string;
}

/** The fenced blocks of a page in docs/, in order. */
export function readPage(name: string): Block[] {
  const page = readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
  return [...page.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(
    ([, language, note, code]) => ({ language: language!, note: note ?? '', code: code! }),
  );
}
