import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { describe } from 'vitest';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

/** CHROME_PATH, else a Chromium or Chrome of this machine; undefined without one. */
export function findChromium(): string | undefined {
  const folders = ['/usr/bin', ...(process.env.PATH ?? '').split(delimiter)];
  const places = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const given = process.env.CHROME_PATH;
  return (given ? [given] : places).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A `describe` whose title starts with "browser:", skipped where there is no Chromium. */
export function describeBrowser(title: string, body: (path: string) => void): void {
  const path = findChromium();
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
