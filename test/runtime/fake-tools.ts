import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A `bin` folder for PATH with small scripts in place of the real programs. */
export async function fakeBin(
  folder: string,
  scripts: Readonly<Record<string, string>>,
): Promise<string> {
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  for (const [name, body] of Object.entries(scripts)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
  return bin;
}

/** A python3 whose `pip download` does what `download` says, with $dest set. */
export function fakePip(download: string): string {
  return `
if [ "$3" = --version ]; then echo "pip 99.1 from /nowhere (python 3.99)"; exit 0; fi
for argument in "$@"; do
  case "$argument" in --dest=*) dest="\${argument#--dest=}" ;; esac
done
${download}`;
}

/** A compiler that runs `compile` with $output set to the file after -o. */
export function fakeCompiler(compile: string): string {
  return `
if [ "$1" = --version ]; then echo "fake c++ 1.0"; exit 0; fi
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then output="$2"; fi
  shift
done
${compile}`;
}
