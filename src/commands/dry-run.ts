import { formatDryRun } from '../dry-run/format-dry-run.ts';
import { runDryRun } from '../dry-run/run-dry-run.ts';
import { printableJson } from '../json.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import type { CommandContext } from './command-context.ts';
import type { ExitStatus } from './exit-status.ts';

/** `--dry-run`: counts, sizes and times of a run that is not made. */
export async function dryRun(
  options: ExtractOptions,
  { terminal, signal, log }: CommandContext & { readonly log: 'text' | 'json' },
): Promise<ExitStatus> {
  const result = await runDryRun(options, signal);
  terminal.stdout(
    log === 'json' ? `${printableJson({ event: 'dry-run', ...result })}\n` : formatDryRun(result),
  );
  return result.rejections.length + result.sample.rejected.length > 0 ? 1 : 0;
}
