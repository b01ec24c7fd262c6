import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { RunError } from '../errors.ts';
import type { PageData } from './page-data.ts';

/** What `scripts/build-page.mjs` makes of page/: beside this file in dist/, and for tests from src/. */
const ASSETS = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/report/page/' : './page/',
  import.meta.url,
);

/**
 * One self-contained HTML file. Nothing is fetched: the policy in it allows this one script and style, and pictures
 * that the page itself holds. Names and messages are in JSON only, where every `<` is escaped.
 */
export async function renderPage(data: PageData): Promise<string> {
  const [script, style] = await Promise.all([asset('page.js'), asset('page.css')]);
  const json = scriptSafe(JSON.stringify(data));
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    // Widths of bars are set by script, which this does not restrict; no style attribute is in the page.
    `style-src '${hashOf(style)}'`,
    'img-src data: blob:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>img2features report</title>
<style>${style}</style>
</head>
<body>
<main id="app"><noscript>This page needs JavaScript: it draws everything from the data that it holds.</noscript></main>
<script type="application/json" id="data">${json}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** JSON that ends no script element and starts no comment, and stays the same JSON. */
export function scriptSafe(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

async function asset(name: string): Promise<string> {
  try {
    return await readFile(new URL(name, ASSETS), 'utf8');
  } catch (cause) {
    throw new RunError(`Expected ${name} of the report page but found none.`, {
      fix: 'Build the program whole: npm run build.',
      cause,
    });
  }
}
