import type { Argv } from 'yargs';
import { printable, printableJson } from '../json.ts';
import type { Packed } from '../pack/pack.ts';
import { createByteProgress } from '../terminal/reporter.ts';
import { formatBytes } from '../terminal/units.ts';
import type { CommandContext, Finish } from './command-context.ts';

/** `img2features pack --out …`: this installation as one archive, for the executors of a cluster. */
export function addPackCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
  const { terminal, signal } = context;
  return cli.command(
    'pack',
    'Pack Node, img2features, TensorFlow and a model into one archive (for Spark)',
    (command) =>
      command
        .option('out', {
          type: 'string',
          default: `img2features-${process.platform}-${process.arch}.tar.gz`,
          requiresArg: true,
          describe: 'The archive: .tar.gz, .tgz or .tar',
        })
        .option('model', { type: 'string', requiresArg: true, describe: 'Model folder to pack' })
        .option('runtime', {
          type: 'boolean',
          default: true,
          describe: 'Pack the TensorFlow runtime of the cache folder, if it has one',
        })
        .option('gpu', {
          type: 'boolean',
          default: false,
          describe: 'Pack the runtime for CUDA (5 GB) in place of the one for the CPU',
        })
        .option('node', { type: 'boolean', default: true, describe: "Pack Node's own binary" })
        .option('json', { type: 'boolean', describe: 'Print the result as JSON' })
        .example('$0 pack --model models/vgg16', 'Everything that a Spark executor needs')
        .example('$0 pack --no-runtime', 'For pixels, which need no TensorFlow'),
    async (args) => {
      const { pack } = await import('../pack/pack.ts');
      const progress = createByteProgress(terminal, args.json === true);
      const { out, model, runtime, gpu, node } = args;
      const packed = await pack(
        { out, model, runtime, gpu, node },
        { signal, onProgress: (done, total) => progress.show('Packing', done, total) },
      ).finally(() => progress.close());
      if (args.json === true) terminal.stdout(`${printableJson({ event: 'packed', ...packed })}\n`);
      else terminal.stdout(describe(packed, runtime));
      finish(0);
    },
  );
}

function describe(packed: Packed, wantedRuntime: boolean): string {
  const { out, bytes, files, unpackedBytes, runtime, model } = packed;
  const lines = [
    `${printable(out)}: ${formatBytes(bytes)}, ${files} files, ${formatBytes(unpackedBytes)} unpacked`,
    `TensorFlow: ${runtime ?? (wantedRuntime ? 'none in the cache folder, so networks run by WebAssembly; img2features setup installs it' : 'left out')}`,
    `Model: ${model === null ? 'none' : printable(model)}`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}
