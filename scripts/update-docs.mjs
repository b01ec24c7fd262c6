/**
 * Writes what pages take from the code: the table of options into docs/options.md, the chart of docs/numbers.md into
 * docs/ratios.svg. `npm run build && node scripts/update-docs.mjs [--picture <report.html>]`; --picture draws that
 * page's map into docs/report.png, and needs Chromium.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { optionsTable } from '../dist/options/options-table.js';
import { ratiosChart } from './lib/ratios-chart.mjs';

const { values } = parseArgs({ options: { picture: { type: 'string' } } });
const docs = new URL('../docs/', import.meta.url);
const options = readFileSync(new URL('options.md', docs), 'utf8');
const table = /^\| option \| default \| meaning \|$[\s\S]*?^\| `--config`.*$/m;
writeFileSync(
  new URL('options.md', docs),
  options.replace(table, () => optionsTable()),
);
writeFileSync(
  new URL('ratios.svg', docs),
  ratiosChart(readFileSync(new URL('numbers.md', docs), 'utf8')),
);
if (values.picture !== undefined) await drawReport(resolve(values.picture));

/** @param {string} page a report.html */
async function drawReport(page) {
  const { chromium } = await import('playwright-core');
  const { findChromium } = await import('../test/report/find-chromium.mjs');
  const { default: sharp } = await import('sharp');
  const browser = await chromium.launch({
    executablePath: findChromium(process.env),
    args: ['--no-sandbox'],
  });
  try {
    const view = await browser.newPage({ viewport: { width: 1200, height: 720 } });
    await view.goto(pathToFileURL(page).href);
    await view.waitForTimeout(1500);
    // One image beside the map, with its neighbours: the most typical one of the last class.
    await view.locator('.strip-of-pictures').last().getByRole('button').first().click();
    await view.waitForTimeout(1500);
    const shot = await view.locator('#map').screenshot();
    await sharp(shot)
      .png({ palette: true, colours: 192, effort: 10 })
      .toFile(new URL('report.png', docs).pathname);
  } finally {
    await browser.close();
  }
}
