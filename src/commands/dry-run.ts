import { basename, extname } from 'node:path';
import type { ExtractOptions } from '../options.ts';
import { freezeListing } from '../pipeline/freeze-listing.ts';
import type { Manifest } from '../run/manifest.ts';
import { s3OptionsOf } from '../s3/s3-options.ts';
import { openSource } from '../source/open-source.ts';
import { printable } from '../terminal/escape.ts';
import { formatBytes, formatCount } from '../terminal/units.ts';
import type { CommandContext } from './command-context.ts';
import type { ExitStatus } from './exit-status.ts';

export interface DryRun {
  readonly images: number;
  readonly bytes: number;
  readonly ignored: number;
  readonly rejections: readonly { origin: string; reason: string; message: string }[];
  /** Images for each class, by name. */
  readonly classes: Readonly<Record<string, number>>;
  /** Images for each extension, lower case. */
  readonly extensions: Readonly<Record<string, number>>;
  /** File names that occur in more than one folder: harmless here, origin is the whole path. */
  readonly repeatedNames: number;
}

/** Lists and counts; opens no image and writes nothing. */
export async function dryRun(
  options: ExtractOptions,
  context: CommandContext & { readonly log: 'text' | 'json' },
): Promise<ExitStatus> {
  const s3 = s3OptionsOf(options);
  const source = openSource(options.input, { originForm: options.origin, s3 });
  const result = countInput(await freezeListing(source, options.limit, context.signal));
  await source.close?.();
  context.terminal.stdout(
    context.log === 'json'
      ? `${JSON.stringify({ event: 'dry-run', ...result })}\n`
      : formatDryRun(options.input, result),
  );
  return result.rejections.length > 0 ? 1 : 0;
}

function countInput(manifest: Manifest): DryRun {
  const classes = new Map<string, number>();
  const extensions = new Map<string, number>();
  const names = new Map<string, number>();
  for (let i = 0; i < manifest.count; i++) {
    const { target, location } = manifest.entry(i);
    increment(classes, target);
    increment(extensions, extname(location).slice(1).toLowerCase());
    increment(names, basename(location));
  }
  return {
    images: manifest.count,
    bytes: manifest.bytes,
    ignored: manifest.ignored,
    rejections: manifest.rejections,
    classes: sorted(classes),
    extensions: sorted(extensions),
    repeatedNames: [...names.values()].filter((count) => count > 1).length,
  };
}

function formatDryRun(input: string, result: DryRun): string {
  const lines = [
    `${input}: ${formatCount(result.images)} images, ${formatBytes(result.bytes)}, ` +
      `${formatCount(result.ignored)} other files ignored, ${formatCount(result.rejections.length)} unusable.`,
    `Formats: ${Object.entries(result.extensions)
      .map(([name, count]) => `${name} ${formatCount(count)}`)
      .join(', ')}`,
    `Classes (${Object.keys(result.classes).length}):`,
    ...Object.entries(result.classes).map(([name, count]) => `  ${name}  ${formatCount(count)}`),
    ...result.rejections.map(({ origin, reason }) => `  unusable: ${origin} (${reason})`),
  ];
  if (result.repeatedNames > 0) {
    lines.push(`${formatCount(result.repeatedNames)} file names occur in more than one folder.`);
  }
  return `${lines.map(printable).join('\n')}\n`;
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function sorted(counts: Map<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
