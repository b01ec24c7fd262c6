import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { FINDING_KINDS } from '../../src/findings/finding.ts';
import { printableJson } from '../../src/json.ts';
import { PADDING } from '../../src/report/page/plot-view.ts';
import { type Points, readPoints } from '../../src/report/page/points.ts';
import { base64, type PageData, type PageQuality } from '../../src/report/page-data.ts';
import { renderPage } from '../../src/report/render-page.ts';
import { readParquetRows } from '../e2e/read-table.ts';
import { runInProcess, tempFolder } from '../e2e/run-cli.ts';
import { describeBrowser, openChromium } from './chromium.ts';
import { writeManyPoints } from './many-points.ts';

/** Names that would be markup, script, or a lie about themselves, if a page let them. */
const HOSTILE = [
  '<img src=x onerror=window.hacked=1>.jpg',
  '"onmouseover="window.hacked=1.jpg',
  "'+window.hacked+'.jpg",
  '<!--<script>window.hacked=1<\u2044script>.jpg',
  'a\u202egpj.jpg',
  'line\nbreak\u0007.jpg',
];
const HOSTILE_CLASS = '<b onclick=window.hacked=1>&amp;</b>'.replaceAll('/', '\u2215');

describeBrowser('the page that a run leaves', (path) => {
  let dir: string;
  let remove: () => Promise<void>;
  let browser: Browser;
  let points: Points;
  let data: PageData;

  beforeAll(async () => {
    ({ dir, remove } = await tempFolder());
    const dataset = join(dir, 'dataset');
    await writeDataset(dataset, {
      seed: 5,
      imagesPerClass: 12,
      minSize: 24,
      maxSize: 40,
      withBroken: true,
    });
    const [first] = readdirSync(dataset).sort();
    const files = readdirSync(join(dataset, first!)).filter((name) => !name.includes('broken'));
    mkdirSync(join(dataset, HOSTILE_CLASS));
    HOSTILE.forEach((name, i) => {
      renameSync(join(dataset, first!, files[i]!), join(dataset, HOSTILE_CLASS, name));
    });
    writeFileSync(join(dataset, HOSTILE_CLASS, '<script>window.hacked=1<\u2044script>.png'), 'no');
    const run = await runInProcess(dir, 'dataset', '--mode', 'pixels', '--k', '6', '--out', 'out');
    expect(run.status).toBe(1);
    const html = readFileSync(join(dir, 'out', 'report.html'), 'utf8');
    data = JSON.parse(/id="data">(.*)<\/script>/.exec(html)![1]!);
    points = readPoints(data.points);
    browser = await openChromium(path);
  });
  afterAll(async () => {
    await browser?.close();
    await remove();
  });

  /** Opens a page from disk; `complaints` holds what must stay empty. */
  async function open(file: string, options: BrowserContextOptions = {}) {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      ...options,
    });
    const page = await context.newPage();
    const complaints: string[] = [];
    const url = pathToFileURL(file).href;
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (request.url() !== url && !/^(data|blob):/.test(request.url())) {
        complaints.push(`request ${request.url()}`);
      }
    });
    await page.goto(url);
    await page.locator('#app[data-ready]').waitFor();
    await painted(page);
    return { page, complaints, close: () => context.close() };
  }

  const report = () => join(dir, 'out', 'report.html');
  const layer = () => points.layers[0]!;

  /** Until the plot has been drawn at its size. */
  async function painted(page: Page): Promise<void> {
    await page.locator('.plot[data-painted]').waitFor();
    await page.evaluate(
      () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
    );
  }

  /** Where a point is drawn: the frame of the plot is that of plot.ts. */
  async function placeOf(page: Page, point: number): Promise<{ x: number; y: number }> {
    const box = (await page.locator('.plot').boundingBox())!;
    const inner = await page
      .locator('.plot')
      .evaluate((plot) => [plot.clientWidth, plot.clientHeight, plot.clientLeft] as const);
    const column = (c: number) =>
      Array.from({ length: points.count }, (_, i) => layer().values[i * layer().k + c]!);
    const scale = (values: number[], from: number, size: number, sign: number) => {
      const [least, most] = [Math.min(...values), Math.max(...values)];
      const factor = (sign * size) / ((most - least) * 1.04);
      return (value: number) => from + size / 2 + factor * (value - (least + most) / 2);
    };
    const { left, right, top, bottom } = PADDING;
    const toX = scale(column(0), left, inner[0] - left - right, 1);
    const toY = scale(column(1), top, inner[1] - top - bottom, -1);
    const at = point * layer().k;
    return {
      x: box.x + inner[2] + toX(layer().values[at]!),
      y: box.y + inner[2] + toY(layer().values[at + 1]!),
    };
  }

  /** The point that is farthest from all others on the map, so that no other is under the pointer. */
  function loneliest(): number {
    const { values, k } = layer();
    const { count } = points;
    const gap = (a: number) => {
      let least = Number.POSITIVE_INFINITY;
      for (let b = 0; b < count; b++) {
        if (b === a) continue;
        least = Math.min(
          least,
          Math.hypot(values[a * k]! - values[b * k]!, values[a * k + 1]! - values[b * k + 1]!),
        );
      }
      return least;
    };
    return Array.from({ length: count }, (_, i) => i).sort((a, b) => gap(b) - gap(a))[0]!;
  }

  function nearestTo(point: number, most: number) {
    const { values, k } = layer();
    const { count } = points;
    return Array.from({ length: count }, (_, other) => {
      let sum = 0;
      for (let c = 0; c < k; c++) sum += (values[other * k + c]! - values[point * k + c]!) ** 2;
      return { other, distance: Math.sqrt(sum) };
    })
      .filter(({ other }) => other !== point)
      .sort((a, b) => a.distance - b.distance)
      .slice(0, most);
  }

  test('it shows the run without a complaint and without asking for anything', async () => {
    const { page, complaints, close } = await open(report());
    await expect.poll(() => page.locator('h1').textContent()).toBe('out');
    expect(await page.locator('.tiles').textContent()).toContain('rejected');
    for (const id of ['map', 'findings', 'classes', 'variance', 'time', 'rejected', 'run']) {
      expect(await page.locator(`#${id} h2`).count()).toBe(1);
    }
    expect(await page.locator('#map').getAttribute('data-drawer')).toBe('webgl');
    expect(complaints).toEqual([]);
    await close();
  });

  test('resting on a point shows its own name and the pixels of the table', async () => {
    const { page, complaints, close } = await open(report());
    const point = loneliest();
    const { x, y } = await placeOf(page, point);
    await page.mouse.move(x, y);
    const tip = page.locator('.tip');
    await tip.waitFor();
    expect(await tip.locator('.name').first().textContent()).toBe(points.origins[point]);
    const shown = await tip.locator('canvas').evaluate((canvas) => {
      const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, 10, 10);
      return [...data].filter((_, i) => i % 4 !== 3);
    });
    const row = readParquetRows(join(dir, 'out')).find(
      ({ origin }) => origin === points.origins[point],
    );
    expect(shown).toEqual(row!.vectors);
    expect(complaints).toEqual([]);
    await close();
  });

  test('clicking a point lists its nearest images, as comparing with all gives them', async () => {
    const { page, close } = await open(report());
    const point = loneliest();
    const { x, y } = await placeOf(page, point);
    await page.mouse.click(x, y);
    const buttons = page.locator('.neighbours button');
    await expect.poll(() => buttons.count()).toBe(12);
    const shown = await buttons.evaluateAll((all) =>
      all.map((one) => Number((one as HTMLElement).dataset.point)),
    );
    expect(shown).toEqual(nearestTo(point, 12).map(({ other }) => other));
    const distances = await page.locator('.neighbours .num').allTextContents();
    expect(Number(distances[0])).toBeCloseTo(nearestTo(point, 1)[0]!.distance, 2);
    await close();
  });

  test('search finds images by name; Enter opens the first, Escape closes it', async () => {
    const { page, close } = await open(report());
    const wanted = points.origins[20]!;
    const search = page.getByLabel('Find images by name');
    await search.fill(wanted.toUpperCase());
    await expect.poll(() => page.locator('.result').count()).toBe(1);
    await search.press('Enter');
    expect(await page.locator('.card .name').first().textContent()).toBe(wanted);
    await page.keyboard.press('Escape');
    expect(await page.locator('.card .path').count()).toBe(0);
    await search.fill(wanted);
    await search.press('ArrowDown');
    await page.keyboard.press('Enter');
    expect(await page.locator('.card .path').textContent()).toBe(wanted);
    await close();
  });

  /** The same page with other data in it. */
  async function changed(name: string, change: (data: PageData) => Partial<PageData>) {
    const file = join(dir, `${name}.html`);
    writeFileSync(file, await renderPage({ ...data, ...change(data) }));
    return file;
  }

  const pictures = async (page: Page) =>
    Number(await page.locator('.plot').getAttribute('data-pictures'));

  test('few images are all on the map as pictures, and can be points', async () => {
    const { page, complaints, close } = await open(report());
    expect(await pictures(page)).toBe(points.count);
    await page.getByRole('button', { name: 'Points', exact: true }).click();
    await expect.poll(() => pictures(page)).toBe(0);
    expect(complaints).toEqual([]);
    await close();
  });

  test('of many images those with room are pictures', async () => {
    const file = join(dir, 'pictures.html');
    await writeManyPoints(file, 3000, 3000);
    const { page, complaints, close } = await open(file);
    expect(await pictures(page)).toBeGreaterThan(50);
    expect(await pictures(page)).toBeLessThan(1500);
    expect(complaints).toEqual([]);
    await close();
  });

  test('points are coloured by class, split or finding, and each layer has its own places', async () => {
    const reversed = new Float32Array([...layer().values].reverse());
    const [first] = data.points.layers;
    const kinds = new Uint8Array(points.count);
    kinds[3] = 1 << FINDING_KINDS.indexOf('outlier');
    const of = Int8Array.from({ length: points.count }, (_, i) => (i % 2) - (i === 0 ? 1 : 0));
    const file = await changed('layers', ({ points: packed, findings }) => ({
      points: {
        ...packed,
        layers: [first!, { ...first!, label: 'fc2', values: base64(reversed) }],
        kinds: base64(kinds),
        parts: { names: ['Training', 'Test'], of: base64(of) },
      },
      findings: {
        ...findings,
        counts: { ...findings.counts, outlier: { findings: 1, listed: 1, images: 1 } },
      },
    }));
    const { page, complaints, close } = await open(file);
    const legend = () => page.locator('.legend-list li').allTextContents();
    expect(await legend()).toHaveLength(data.classes.length);
    await page.getByLabel('Colour', { exact: true }).selectOption({ label: 'Split' });
    expect(await legend()).toEqual([
      expect.stringMatching(/^Training\d+only$/),
      expect.stringMatching(/^Test\d+only$/),
      'Neither1only',
    ]);
    await page.getByLabel('Colour', { exact: true }).selectOption({ label: 'Findings' });
    expect(await legend()).toEqual(
      expect.arrayContaining(['Outliers1only', `No finding${points.count - 1}only`]),
    );
    await page.getByLabel('Find images by name').fill(points.origins[20]!);
    await page.getByLabel('Find images by name').press('Enter');
    const before = await page.locator('.neighbours button').first().getAttribute('data-point');
    expect(before).toBe(String(nearestTo(20, 1)[0]!.other));
    await page.getByLabel('Layer').selectOption({ label: 'fc2' });
    const mirrored = points.count - 1 - 20;
    const nearest = points.count - 1 - nearestTo(mirrored, 1)[0]!.other;
    await expect
      .poll(() => page.locator('.neighbours button').first().getAttribute('data-point'))
      .toBe(String(nearest));
    expect(complaints).toEqual([]);
    await close();
  });

  test('each class has a strip of pictures, and one of them opens on the map', async () => {
    const { page, close } = await open(report());
    const strips = page.locator('#classes .strip-of-pictures');
    expect(await strips.count()).toBe(data.classes.length);
    const strip = data.strips[data.classes.indexOf('stripes')]!;
    const [, second] = strip;
    const button = page.getByLabel('stripes, typical to odd').getByRole('button').nth(1);
    await button.click();
    expect(await page.locator('.card .path').textContent()).toBe(points.origins[second!]);
    await close();
  });

  test('quality shows the accuracy of each figure, the classes mixed up and pictures of them', async () => {
    const { page, complaints, close } = await open(report());
    const quality = data.quality as PageQuality;
    const section = page.locator('#quality');
    const shares = await section.locator('.figures tbody td:nth-child(2)').allTextContents();
    expect(shares.map((text) => text.replace(/ \(.*/, ''))).toEqual(
      quality.figures.map(({ accuracy }) => `${(100 * accuracy!).toFixed(1)} %`),
    );
    const counts = await section.locator('.matrix tbody td').allTextContents();
    const sum = counts.reduce((total, text) => total + Number(text), 0);
    expect(sum).toBe(quality.figures[quality.headline]!.tested);
    const [pair] = quality.pairs;
    const first = section.locator('.mixed-pairs li').first();
    expect(await first.locator('p').textContent()).toMatch(`${pair!.images} × `);
    await first.locator('button.pick').first().click();
    const path = await page.locator('.card .path').textContent();
    expect(path).toBe(points.origins[pair!.points[0]!]);
    expect(complaints).toEqual([]);
    await close();
  });

  test('findings are in front, can be saved as the lines of findings.jsonl and as CSV, and paths copied', async () => {
    const origins = points.origins.slice(0, 2);
    const finding = {
      kind: 'outlier' as const,
      origins: [`a "b",\nc`, origins[1]!],
      classes: ['x', 'y'],
      images: 2,
      evidence: { score: 7 },
      threshold: 6,
    };
    const file = await changed('found', ({ findings }) => ({
      findings: {
        ...findings,
        counts: { ...findings.counts, outlier: { findings: 1, listed: 1, images: 2 } },
        shown: [{ ...finding, points: [0, 1] }],
      },
    }));
    const { page, complaints, close } = await open(file);
    const saved = async (name: string) => {
      const waiting = page.waitForEvent('download');
      await page.getByRole('button', { name, exact: true }).click();
      const download = await waiting;
      expect(download.suggestedFilename()).toBe(`findings.${name.toLowerCase()}`);
      return readFileSync(await download.path(), 'utf8');
    };
    expect(await page.getByRole('tab').first().textContent()).toBe('Outliers1');
    expect(await page.getByRole('tab', { selected: true }).textContent()).toBe('Outliers1');
    expect(await saved('JSONL')).toBe(`${printableJson(finding)}\n`);
    expect(await saved('CSV')).toBe(
      `finding,kind,origin,class,images,threshold,evidence\r\n1,outlier,"a ""b"",\nc",x,2,6,"{""score"":7}"\r\n1,outlier,${origins[1]},y,2,6,"{""score"":7}"\r\n`,
    );
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.locator('#findings').getByRole('button', { name: 'Copy the path' }).nth(1).click();
    await page.locator('#findings').getByText('Copied').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(origins[1]);
    await page.getByRole('button', { name: 'Copy the command' }).click();
    await page.locator('.command').getByText('Copied').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(data.command);
    expect(complaints).toEqual([]);
    await close();
  });

  test('a long name takes two lines of the legend', async () => {
    const file = await changed('long', ({ classes }) => ({
      classes: ['a'.repeat(4000), ...classes.slice(1)],
    }));
    const { page, close } = await open(file);
    const heights = await page
      .locator('.legend-list li, .class-facts')
      .evaluateAll((all) => all.map((one) => one.clientHeight));
    expect(Math.max(...heights)).toBeLessThan(90);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(1280);
    await close();
  });

  test('axes can be changed and classes switched off', async () => {
    const { page, complaints, close } = await open(report());
    await page.getByLabel('Across').selectOption('3');
    await page.getByLabel('Up').selectOption('2');
    await painted(page);
    await page.getByRole('button', { name: 'None', exact: true }).click();
    await painted(page);
    const box = (await page.locator('.plot').boundingBox())!;
    for (let i = 1; i < 10; i++)
      await page.mouse.move(box.x + (box.width * i) / 10, box.y + box.height / 2);
    expect(await page.locator('.tip').isVisible()).toBe(false);
    expect(complaints).toEqual([]);
    await close();
  });

  test('hostile names are shown as they are, and do nothing', async () => {
    const { page, complaints, close } = await open(report());
    await page.getByLabel('Find images by name').fill('hacked');
    await expect
      .poll(() => page.locator('.result').count())
      .toBe(
        data.points.count > 0 ? points.origins.filter((name) => name.includes('hacked')).length : 0,
      );
    const names = await page.locator('.result .name').allTextContents();
    expect(names.some((name) => name.endsWith('/<img src=x onerror=window.hacked=1>.jpg'))).toBe(
      true,
    );
    for (const result of await page.locator('.result').all()) await result.click();
    await page.getByLabel('Find images by name').fill('gpj');
    expect(await page.locator('.result .name').first().textContent()).toContain(
      'a\\u{202e}gpj.jpg',
    );
    await page.getByLabel('Find images by name').fill('line');
    await expect
      .poll(() => page.locator('.result .name').first().textContent())
      .toContain('line\\u{a}break\\u{7}.jpg');
    for (const tab of await page.getByRole('tab').all()) await tab.click();
    expect(await page.evaluate(() => (window as { hacked?: number }).hacked)).toBeUndefined();
    expect(await page.locator('main img, main b[onclick], main script').count()).toBe(0);
    expect(complaints).toEqual([]);
    await close();
  });

  test('rejected images stand by their reason, and can be searched', async () => {
    const { page, close } = await open(report());
    const section = page.locator('#rejected');
    expect(await section.locator('summary').allTextContents()).toEqual(
      Object.entries(data.run.counts.rejectedByReason).map(([reason, n]) => `${reason}${n}`),
    );
    await page.getByLabel('Find a rejected image').fill('<script>');
    await expect.poll(() => section.locator('.rejections li').count()).toBe(1);
    await close();
  });

  test('on a phone nothing is wider than the screen, and a tap chooses a point', async () => {
    const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
    const { page, complaints, close } = await open(report(), phone);
    const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
    expect(await wide()).toBe(360);
    await page.locator('.plot').scrollIntoViewIfNeeded();
    const point = loneliest();
    const { x, y } = await placeOf(page, point);
    await page.touchscreen.tap(x, y);
    await page.locator('.tip').waitFor();
    await expect
      .poll(() => page.locator('.card .name').first().textContent())
      .toBe(points.origins[point]);
    for (const tab of await page.getByRole('tab').all()) await tab.click();
    expect(await wide()).toBe(360);
    expect(complaints).toEqual([]);
    await close();
  });

  test.each(['light', 'dark'] as const)(
    'text stands out from its ground in %s',
    async (colorScheme) => {
      const { page, close } = await open(report(), { colorScheme });
      const ratios = await page.evaluate(() => {
        const luminance = (color: string): number => {
          const [r, g, b] = color
            .match(/\d+(\.\d+)?/g)!
            .slice(0, 3)
            .map((x) => {
              const c = Number(x) / 255;
              return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
            }) as [number, number, number];
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ground = (element: Element | null): string => {
          for (let at = element; at !== null; at = at.parentElement) {
            const { backgroundColor } = getComputedStyle(at);
            if (!/rgba\(.*, 0\)|transparent/.test(backgroundColor)) return backgroundColor;
          }
          return 'rgb(255,255,255)';
        };
        const probes = [
          'h1',
          '.tiles dt',
          '.note',
          '.faint',
          '.count',
          '.evidence',
          'nav a',
          '.command',
        ];
        return probes.flatMap((probe) => {
          const element = document.querySelector(probe);
          if (element === null) return [];
          const [a, b] = [luminance(getComputedStyle(element).color), luminance(ground(element))];
          return [{ probe, ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) }];
        });
      });
      expect(ratios.length).toBeGreaterThan(5);
      expect(ratios.filter(({ ratio }) => ratio < 4.5)).toEqual([]);
      const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      expect(paper).toBe(colorScheme === 'dark' ? 'rgb(19, 20, 22)' : 'rgb(246, 246, 243)');
      await close();
    },
  );

  test('without WebGL the points are drawn on a plain canvas', async () => {
    const plain = await openChromium(path, ['--disable-3d-apis']);
    try {
      const page = await plain.newPage();
      await page.goto(pathToFileURL(report()).href);
      await page.locator('.plot[data-painted]').waitFor();
      expect(await page.locator('#map').getAttribute('data-drawer')).toBe('canvas');
      const { x, y } = await placeOf(page, loneliest());
      await page.mouse.move(x, y);
      await page.locator('.tip').waitFor();
    } finally {
      await plain.close();
    }
  });

  test('200,000 points: there in 15 s, and zooming, resting and choosing take at most 3 s each', async () => {
    const file = join(dir, 'many.html');
    await writeManyPoints(file, 200_000);
    const started = performance.now();
    const { page, complaints, close } = await open(file);
    expect(performance.now() - started).toBeLessThan(15_000);
    const box = (await page.locator('.plot').boundingBox())!;
    const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const timed = async (work: () => Promise<unknown>) => {
      const before = performance.now();
      await work();
      await painted(page);
      return performance.now() - before;
    };
    await page.mouse.click(middle.x, middle.y);
    const times = {
      zoom: await timed(() => page.mouse.wheel(0, -300)),
      hover: await timed(async () => {
        await page.mouse.move(middle.x + 3, middle.y + 3);
        await page.locator('.tip').waitFor();
      }),
      choose: await timed(async () => {
        await page.mouse.click(middle.x + 3, middle.y + 3);
        await page.locator('.neighbours li').nth(11).waitFor();
      }),
      search: await timed(() => page.getByLabel('Find images by name').fill('199999')),
    };
    process.stderr.write(`200,000 points, ms: ${JSON.stringify(times)}\n`);
    expect(Object.entries(times).filter(([, ms]) => ms > 3000)).toEqual([]);
    expect(complaints).toEqual([]);
    await close();
  });
});
