import { RuntimeError } from '../../errors.ts';
import { type CommandResult, runCommand } from '../run-command.ts';
import type { PinnedWheel } from './wheels.ts';

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

/** End of a fix: what can be done without TensorFlow's library. */
export const USE_WASM = ', or use --device wasm';

/**
 * @param instead what else can be done, to end the fix with
 * @throws RuntimeError naming what is missing: Python itself, or its pip.
 */
export async function findPip(
  env: NodeJS.ProcessEnv = process.env,
  instead = USE_WASM,
): Promise<Pip> {
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
    ? new RuntimeError(`Expected Python 3 with pip but found ${python} without pip.`, {
        fix: `Install pip (Debian, Ubuntu: apt install python3-pip)${instead}.`,
      })
    : new RuntimeError('Expected Python 3 with pip but found no python3.', {
        fix: `Install it (Debian, Ubuntu: apt install python3-pip)${instead}.`,
      });
}

const OFFLINE =
  /NewConnectionError|Failed to establish a new connection|name resolution|Network is unreachable|timed out|ConnectTimeout|ReadTimeout|ProxyError|SSLError|CERTIFICATE_VERIFY_FAILED|Connection (?:refused|reset|broken|aborted)|RemoteDisconnected/i;
const REFUSED =
  /\b(?:401|403|407)\b[^\n]*(?:error|forbidden|unauthori[sz]ed)|(?:401|403|407) Client Error/i;
const WRONG_HASH = /DO NOT MATCH THE HASHES|HashMismatch/i;
const DISK_FULL = /No space left on device|Errno 28|Disk quota exceeded/i;
const NOT_THERE = /No matching distribution found|Could not find a version/i;

/** One line for a failed `pip download`: the cause in our words, then pip's own last error. */
export function pipError(
  wheel: PinnedWheel,
  result: CommandResult,
  instead = USE_WASM,
): RuntimeError {
  const { stderr, stdout, status, signal } = result;
  const text = `${stdout}\n${stderr}`;
  const what = `${wheel.package} ${wheel.version}`;
  const said = pipsLastError(text);
  const fail = (found: string, fix: string) =>
    new RuntimeError(`Expected pip to download ${what} but found ${found}${said}.`, { fix });

  if (WRONG_HASH.test(text)) {
    return new RuntimeError(
      `Expected SHA-256 ${wheel.sha256} for ${what} but found another file behind that name.`,
      { fix: "Check pip's index or mirror, empty pip's cache (`pip cache purge`), and try again." },
    );
  }
  if (DISK_FULL.test(text)) return diskFullError(`downloading ${what}`);
  if (OFFLINE.test(text)) {
    return fail(
      'no connection to its package index',
      `Check the network, the proxy and \`pip config list\`${instead}.`,
    );
  }
  if (REFUSED.test(text)) {
    return fail('a package index that refuses it', 'Check the credentials in `pip config list`.');
  }
  if (NOT_THERE.test(text)) {
    return fail(
      'an index without it',
      `Point pip at an index that has it (\`pip config list\` shows today's)${instead}.`,
    );
  }
  return fail(signal ? `it ended by ${signal}` : `exit status ${status}`, 'Try again.');
}

/** @param doing e.g. "unpacking tensorflow-cpu" */
export function diskFullError(doing: string, cause?: unknown): RuntimeError {
  return new RuntimeError(`Expected room on the disk but found it full while ${doing}.`, {
    fix: 'Free some space or set IMG2FEATURES_CACHE to a folder on a larger disk.',
    cause,
  });
}

function pipsLastError(text: string): string {
  const line = text.split('\n').findLast((candidate) => candidate.startsWith('ERROR: '));
  return line ? ` (pip: ${line.slice('ERROR: '.length, 300).trim().replace(/\.$/, '')})` : '';
}
