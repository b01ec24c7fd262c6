import { type Browser, chromium } from 'playwright-core';
import { loadScript } from '../scripts/load-script.ts';
import { describeIf } from '../skip-if.ts';

const { findChromium } = await loadScript('../test/report/find-chromium.mjs');

/** A `describe` whose title starts with "browser:", skipped where there is no Chromium. */
export function describeBrowser(title: string, body: (path: string) => void): void {
  const found: string | undefined = findChromium(process.env);
  describeIf(`browser: ${title}`, { found, why: 'no Chromium (CHROME_PATH, PATH)' }, body);
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
