import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { PageData } from '../../src/report/page-data.ts';
import { renderPage, scriptSafe } from '../../src/report/render-page.ts';

const HOSTILE = '</script><script>alert(1)</script><!-- " \' & \u2028 \u202e \u0000';

test('JSON in a script element holds no character that could end it, and is the same JSON', () => {
  const json = JSON.stringify({ [HOSTILE]: HOSTILE });
  expect(scriptSafe(json)).not.toMatch(/[<>&\u2028\u2029]/);
  expect(JSON.parse(scriptSafe(json))).toEqual(JSON.parse(json));
});

test('the page allows its own script and style by their hash, and nothing else', async () => {
  const html = await renderPage({ target: HOSTILE } as PageData);
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)![1]!;
  expect(policy).toMatch(/^default-src 'none'; /);
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  const hashOf = (text: string) => `sha256-${createHash('sha256').update(text).digest('base64')}`;
  const script = html.slice(html.lastIndexOf('<script>') + 8, html.lastIndexOf('</script>'));
  const style = html.slice(html.indexOf('<style>') + 7, html.indexOf('</style>'));
  expect(policy).toContain(`script-src '${hashOf(script)}'`);
  expect(policy).toContain(`style-src '${hashOf(style)}'`);
  expect(html.match(/<script/g)).toHaveLength(2);
});

test('the page names no address to fetch from', async () => {
  const html = await renderPage({ target: 'x' } as PageData);
  // The namespace of SVG is a name, not an address.
  const addresses = html
    .match(/https?:\/\/[^\s"'`]+/g)
    ?.filter((url) => !url.startsWith('http://www.w3.org/'));
  expect(addresses ?? []).toEqual([]);
  expect(html).not.toMatch(/ (src|href)="/);
});
