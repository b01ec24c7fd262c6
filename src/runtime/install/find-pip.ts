import { RuntimeError } from '../../errors.ts';
import { runCommand } from '../run-command.ts';

/** A command line that runs pip; the version of its Python does not matter. */
export interface Pip {
  readonly program: string;
  readonly args: readonly string[];
  /** e.g. "pip 23.2.1 (python 3.11)". */
  readonly version: string;
}

const CANDIDATES: readonly (readonly string[])[] = [
  ['python3', '-m', 'pip'],
  ['python', '-m', 'pip'],
  ['pip3'],
];

/** @throws RuntimeError naming what is missing: Python itself, or its pip. */
export async function findPip(env: NodeJS.ProcessEnv = process.env): Promise<Pip> {
  let python: string | undefined;
  for (const [program = '', ...args] of CANDIDATES) {
    const asked = await runCommand(program, [...args, '--version'], { env, timeoutMs: 60_000 });
    const version = /^(pip [\d.]+\S*).*(\(python [\d.]+\))/m.exec(asked.stdout);
    if (asked.status === 0 && version) {
      return { program, args, version: `${version[1]} ${version[2]}` };
    }
    if (!asked.missing && program.startsWith('python')) python ??= program;
  }
  throw python
    ? new RuntimeError(`Expected pip to download TensorFlow but found ${python} without it.`, {
        fix: 'Install pip (Debian, Ubuntu: apt install python3-pip), or use --device wasm.',
      })
    : new RuntimeError('Expected Python 3 with pip to download TensorFlow but found no python3.', {
        fix: 'Install it (Debian, Ubuntu: apt install python3-pip), or use --device wasm.',
      });
}
