import { type Browser, chromium } from 'playwright-core';
import { describe } from 'vitest';
import { loadScript } from '../scripts/load-script.ts';

const { findChromium } = await loadScript('lib/find-chromium.mjs');

/** A `describe` whose title starts with "browser:", skipped where there is no Chromium. */
export function describeBrowser(title: string, body: (path: string) => void): void {
  const path: string | undefined = findChromium(process.env);
  if (path !== undefined) {
    describe(`browser: ${title}`, () => body(path));
    return;
  }
  process.stderr.write(`No Chromium (CHROME_PATH, PATH): the tests of "${title}" are skipped.\n`);
  describe.skip(`browser: ${title} (no Chromium)`, () => {});
}

/** Headless, offline, with WebGL in software. */
export function openChromium(executablePath: string, more: string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--use-angle=swiftshader',
      '--enable-unsafe-swiftshader',
      ...more,
    ],
  });
}
