import type { Argv } from 'yargs';
import { printable } from '../json.ts';
import { createByteProgress, createReporter } from '../terminal/reporter.ts';
import type { CommandContext, Finish } from './command-context.ts';

/** `img2features demo [input]`: a first table and page of pixels, then of trained networks. */
export function addDemoCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
  const { terminal, env, signal } = context;
  return cli.command(
    'demo [input]',
    'Draw images, or take yours, and show their tables and pages',
    (command) =>
      command
        .positional('input', { type: 'string', describe: 'Your images; without it, drawn ones' })
        .option('out', folder('For the images, the tables and their pages', 'demo'))
        .option('models', folder('For the networks', 'models'))
        .option('offline', { type: 'boolean', describe: 'Download nothing' })
        .option('open', {
          type: 'boolean',
          default: true,
          describe: 'Open the pages in a browser (--no-open: print their paths)',
        })
        .example('$0 demo', 'Pixels at once, then EfficientNet-Lite0 (17 MB) and VGG16 (59 MB)')
        .example('$0 demo photos', 'The same on your images, the first 300'),
    async ({ input, out, models, offline, open }) => {
      const { runDemo } = await import('../demo/run-demo.ts');
      const { browserCommand, openPage } = await import('../demo/open-page.ts');
      const browser = open ? browserCommand(process.platform, env, terminal.isTerminal) : undefined;
      const reporter = createReporter({ ...terminal, log: 'text', quiet: false });
      const progress = createByteProgress(terminal, false);
      await runDemo({
        input,
        out,
        models,
        offline: offline === true,
        signal,
        say: (text) => {
          progress.close();
          reporter.close();
          terminal.stdout(`${text.split('\n').map(printable).join('\n')}\n`);
        },
        onEvent: reporter.handle,
        onDownload: progress.show,
        open: (page) => openPage(browser, page),
      }).finally(() => {
        progress.close();
        reporter.close();
      });
      finish(0);
    },
  );
}

function folder(describe: string, byDefault: string) {
  return { type: 'string', requiresArg: true, default: byDefault, describe } as const;
}
