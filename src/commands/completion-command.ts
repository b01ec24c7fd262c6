import { basename } from 'node:path';
import type { Argv } from 'yargs';
import { isArchitectureName } from '../model/architectures/architecture.ts';
import { MODES } from '../options/extract-options.ts';
import { keyOf, optionOf } from '../options/option-keys.ts';
import { oneOf } from '../options/option-values.ts';
import type { CommandContext, Finish } from './command-context.ts';
import type { CommandShape } from './command-shapes.ts';

/** The argument by which a shell's script asks this program, followed by the words typed so far. */
export const COMPLETE_FLAG = '--complete';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** `img2features completion [shell]`: the script that makes a shell complete this program's words. */
export function addCompletionCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
  const { terminal, env } = context;
  return cli.command(
    'completion [shell]',
    'Print a script that makes the shell complete commands, options and values',
    (command) =>
      command
        .positional('shell', {
          type: 'string',
          describe: 'bash, zsh or fish',
          defaultDescription: 'the one of $SHELL',
        })
        .example('source <($0 completion bash)', 'In ~/.bashrc; for zsh the same in ~/.zshrc')
        .example('$0 completion fish | source', 'In ~/.config/fish/config.fish'),
    (args) => {
      const shell = oneOf(...SHELLS)(args.shell ?? ownShell(env), 'shell');
      terminal.stdout(SCRIPTS[shell]);
      finish(0);
    },
  );
}

function ownShell(env: CommandContext['env']): string {
  const name = basename(env.SHELL ?? '');
  return (SHELLS as readonly string[]).includes(name) ? name : 'bash';
}

// An empty answer leaves the word to the shell, which then offers files.
const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `# img2features completion for bash: source <(img2features completion bash)
_img2features() {
  local IFS=$'\\n' line
  COMPREPLY=()
  for line in $(img2features ${COMPLETE_FLAG} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done
}
complete -o bashdefault -o default -F _img2features img2features
`,
  zsh: `#compdef img2features
# img2features completion for zsh: source <(img2features completion zsh)
_img2features() {
  local -a lines
  local line
  for line in "\${(@f)$(img2features ${COMPLETE_FLAG} "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && lines+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#lines} )); then
    _describe 'img2features' lines
  else
    _files
  fi
}
(( $+functions[compdef] )) && compdef _img2features img2features
`,
  fish: `# img2features completion for fish: img2features completion fish | source
complete -c img2features -a '(img2features ${COMPLETE_FLAG} (commandline -opc)[2..-1] (commandline -ct))'
`,
};

/** One word that a shell may insert, and its short description. */
interface Candidate {
  readonly word: string;
  readonly describe: string;
}

/**
 * What can follow on a command line: commands, options or the values of an option. Empty where a
 * file or a free value is expected, which shells complete better themselves.
 *
 * @param words after the program's name; the last is the one being typed, possibly empty
 */
export function complete(
  words: readonly string[],
  shapes: readonly CommandShape[],
): readonly Candidate[] {
  const { typed, before, stem } = splitLine(words);
  const { command, depth } = findCommand(before, shapes);
  const flag = openFlag(before, command);
  if (stem !== undefined) {
    const values = valuesOf(stem, typed);
    return values.map((word) => ({ word: `--${stem}=${word}`, describe: '' }));
  }
  if (flag !== undefined) return valuesOf(flag, typed).map((word) => ({ word, describe: '' }));
  if (typed.startsWith('-')) return flagsOf(command, typed, before);
  const names = command.commands.length > 0 ? command.commands : depth === 0 ? shapes : [];
  const offered = names.flatMap(({ names: [first, ...others], describe }) => {
    const word = first === '' ? others[0] : first;
    return word === undefined ? [] : [{ word, describe }];
  });
  const values = positionalValues(command, before).map((word) => ({ word, describe: '' }));
  return [...offered, ...values].filter(({ word }) => word.startsWith(typed));
}

/** `--mode=pi` is one word in zsh and fish, and `--mode`, `=`, `pi` in bash. */
function splitLine(words: readonly string[]) {
  const line = words.filter((word) => word !== '=');
  const typed = words.at(-1) === '=' ? '' : (line.at(-1) ?? '');
  const before = words.at(-1) === '=' ? line : line.slice(0, -1);
  const joined = /^--([^=]+)=(.*)$/.exec(typed);
  return { before, typed: joined?.[2] ?? typed, stem: joined?.[1] };
}

/** The command that the words before name; the program itself is `extract`. */
function findCommand(before: readonly string[], shapes: readonly CommandShape[]) {
  let command = shapes.find(({ names }) => names.includes(''))!;
  let depth = 0;
  let among = shapes;
  for (const word of before) {
    if (word.startsWith('-')) continue;
    const next = among.find(({ names }) => names.includes(word));
    if (next === undefined) break;
    command = next;
    among = next.commands;
    depth += 1;
  }
  return { command, depth };
}

/** The flag before the word being typed, where it waits for a value. */
function openFlag(before: readonly string[], { options }: CommandShape): string | undefined {
  const last = /^--([^=]+)$/.exec(before.at(-1) ?? '')?.[1];
  if (last === undefined) return undefined;
  const definition = options.get(last);
  return definition !== undefined && definition.type !== 'boolean' ? last : undefined;
}

function flagsOf({ options }: CommandShape, typed: string, before: readonly string[]): Candidate[] {
  const given = new Set(before);
  const flags = [
    ...[...options].flatMap(([name, { describe = '' }]) => {
      const own = { word: `--${name}`, describe };
      // --no- turns off a flag that is, or may be, on by default.
      const option = optionOf(keyOf(name));
      return option?.isFlag && option.default !== false
        ? [own, { word: `--no-${name}`, describe: `Without: ${describe}` }]
        : [own];
    }),
    { word: '--no-color', describe: 'No colours' },
    { word: '--help', describe: 'Show help' },
    { word: '--version', describe: 'Show version number' },
  ];
  return flags.filter(({ word }) => word.startsWith(typed) && !given.has(word));
}

/** Flags that are not options of a run. */
const OTHER_VALUES: Readonly<Record<string, readonly string[]>> = {
  mode: MODES,
  log: ['text', 'json'],
};

function valuesOf(flag: string, typed: string): string[] {
  const parse = optionOf(keyOf(flag))?.parse;
  const choices = parse?.choices ?? OTHER_VALUES[flag] ?? [];
  if (!parse?.isList) return choices.filter((word) => word.startsWith(typed));
  // parquet,c -> parquet,csv: each word once.
  const done = typed.split(',').slice(0, -1);
  const head = done.map((word) => `${word},`).join('');
  return (done.length === 0 ? ['all', ...choices] : choices)
    .filter((word) => !done.includes(word))
    .map((word) => head + word)
    .filter((word) => word.startsWith(typed));
}

const ARCHITECTURES = ['vgg16', 'vgg19', 'resnet50', 'mobilenetv2'].filter(isArchitectureName);

function positionalValues({ positionals }: CommandShape, before: readonly string[]): string[] {
  if (positionals[0] === 'architecture' && !before.some((word) => isArchitectureName(word))) {
    return ARCHITECTURES;
  }
  return positionals[0] === 'shell' && before.length === 1 ? ['bash', 'zsh', 'fish'] : [];
}
