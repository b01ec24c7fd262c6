import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/**
 * Name, version, licence and notice of every package in a bundle.
 * @param {string} root of the checkout
 * @param {readonly string[]} inputs paths of modules below it
 */
export function bundledLicenses(root, inputs) {
  const folders = new Set(inputs.map((path) => packageFolder(root, path)));
  folders.delete(undefined);
  const parts = [...folders].sort().map((folder) => {
    const dir = join(root, /** @type {string} */ (folder));
    const { name, version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
    // Apache-2.0 is this package's own licence, whose text is beside its package.json.
    const texts = license === 'Apache-2.0' ? /^notice/i : /^(licen[cs]e|notice)/i;
    const found = readdirSync(dir).filter((entry) => texts.test(entry));
    const text = found.map((entry) => `\n${readFileSync(join(dir, entry), 'utf8').trim()}\n`);
    return `${name} ${version}: ${license}\n${text.join('')}`;
  });
  return parts.join('\n');
}

/** @param {string} root @param {string} path @returns {string | undefined} "node_modules/@scope/name" */
function packageFolder(root, path) {
  const parts = relative(root, join(root, path)).split(sep);
  const at = parts.lastIndexOf('node_modules');
  if (at === -1) return undefined;
  return parts.slice(0, at + (parts[at + 1]?.startsWith('@') ? 3 : 2)).join('/');
}
