import { formatBytes } from './units.ts';

interface Terminal {
  readonly isTerminal: boolean;
  readonly stderr: (text: string) => void;
  readonly now: () => number;
}

const REDRAW_MS = 100;

/** A progress line for downloads and conversions, on a terminal only. */
export function createByteProgress({ isTerminal, stderr, now }: Terminal, isSilent: boolean) {
  let lastAt = Number.NEGATIVE_INFINITY;
  let isOpen = false;
  return {
    show(stage: string, done: number, total: number | undefined): void {
      if (!isTerminal || isSilent || now() - lastAt < REDRAW_MS) return;
      lastAt = now();
      isOpen = true;
      const share = total ? `${Math.floor((100 * done) / total)}% ` : '';
      const size = total ? `${formatBytes(done)} of ${formatBytes(total)}` : formatBytes(done);
      stderr(`\r\x1b[2K${stage} ${share}${size}`);
    },
    close(): void {
      if (isOpen) stderr('\r\x1b[2K');
      isOpen = false;
    },
  };
}
