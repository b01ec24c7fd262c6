/** 950 ms, 12.3 s, 4 min 05 s, 3 h 12 min */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

/** 512 B, 1.5 kB, 3.2 MB, 1.1 GB (powers of 1000) */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** 1,234,567 */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** 1 image, 2,000 images */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** The line below a list for what it leaves out; none where it is whole. */
export function andMore(left: number, what = ''): string[] {
  return left > 0 ? [`  … and ${formatCount(left)} more${what}`] : [];
}

/** Images per second with as many digits as have a meaning: 4.53, 87.2, 1,234. */
export function formatRate(rate: number): string {
  if (rate < 10) return rate.toFixed(2);
  return rate < 100 ? rate.toFixed(1) : formatCount(Math.round(rate));
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
