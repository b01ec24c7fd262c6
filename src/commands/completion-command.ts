import { basename } from 'node:path';
import type { Argv } from 'yargs';
import { oneOf } from '../options/option-values.ts';
import type { CommandContext } from './command-context.ts';
import type { ExitStatus } from './exit-status.ts';

/** The argument by which a shell's script asks this program, followed by the words typed so far. */
export const COMPLETE_FLAG = '--complete';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** `img2features completion [shell]`: the script that makes a shell complete this program's words. */
export function addCompletionCommand(
  cli: Argv,
  { terminal, env }: CommandContext,
  finish: (status: ExitStatus) => void,
): Argv {
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
