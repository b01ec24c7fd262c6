import type { CommandContext } from '../../src/commands/command-context.ts';

/** A command's surroundings that keep what it says. */
export function recordingContext(...argv: string[]) {
  return contextWith({}, ...argv);
}

export function contextWith(env: Record<string, string>, ...argv: string[]) {
  const text = { stdout: '', stderr: '' };
  const context: CommandContext = {
    argv,
    env,
    signal: new AbortController().signal,
    terminal: {
      isTerminal: false,
      columns: 80,
      stdout: (part) => {
        text.stdout += part;
      },
      stderr: (part) => {
        text.stderr += part;
      },
      now: () => 0,
    },
  };
  return { context, text };
}
