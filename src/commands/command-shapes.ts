/** The commands as data, for shell completion and for suggestions. */
import type { Argv, Options } from 'yargs';

export interface CommandShape {
  /** The first is the usual one; empty for the program itself, `extract`'s short form. */
  readonly names: readonly string[];
  readonly describe: string;
  /** By flag, without dashes. */
  readonly options: ReadonlyMap<string, Options>;
  /** Names of the arguments, in order. */
  readonly positionals: readonly string[];
  readonly commands: readonly CommandShape[];
  /** Examples in its help. */
  readonly examples: number;
}

/** Runs the definition of the commands with a recorder in place of yargs. */
export function commandShapes(define: (cli: Argv) => unknown): readonly CommandShape[] {
  const recorder = new Recorder();
  define(recorder as unknown as Argv);
  return recorder.commands;
}

/** As much of yargs' interface as the commands use. */
class Recorder {
  readonly commands: CommandShape[] = [];
  readonly options = new Map<string, Options>();
  readonly positionals: string[] = [];
  examples = 0;

  command(
    spec: string | readonly string[],
    describe: string | false,
    builder?: (command: Argv) => unknown,
  ): this {
    const inner = new Recorder();
    builder?.(inner as unknown as Argv);
    // A hidden command is not suggested.
    if (describe === false) return this;
    const specs = typeof spec === 'string' ? [spec] : spec;
    this.commands.push({
      names: specs.map((text) => text.split(' ')[0]).map((name) => (name === '$0' ? '' : name)),
      describe,
      options: inner.options,
      positionals: inner.positionals,
      commands: inner.commands,
      examples: inner.examples,
    });
    return this;
  }

  option(name: string, options: Options): this {
    this.options.set(name, options);
    return this;
  }

  positional(name: string, _: unknown): this {
    this.positionals.push(name);
    return this;
  }

  example(): this {
    this.examples += 1;
    return this;
  }

  epilogue(): this {
    return this;
  }

  demandCommand(): this {
    return this;
  }
}
