import type { RunEvent } from '../events.ts';
import type { Manifest } from '../run/manifest.ts';

/** Tells what the listing found, and what it had to reject. */
export function announce(manifest: Manifest, onEvent: (event: RunEvent) => void): void {
  const { count, bytes, rejections, ignored } = manifest;
  onEvent({ event: 'listed', images: count, rejected: rejections.length, ignored, bytes });
  for (const rejection of rejections) onEvent({ event: 'rejected', ...rejection });
}
