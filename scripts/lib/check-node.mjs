import { readFileSync } from 'node:fs';

/** The oldest Node.js that package.json's `engines` allows, e.g. "20.19". */
export function requiredNode() {
  const { engines } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return engines.node.replace('>=', '');
}

/**
 * @param {string} found a version such as "18.20.4"
 * @param {string} required the oldest version that works, e.g. "20.19"
 * @returns {boolean}
 */
export function isNodeRecent(found, required) {
  const have = found.split('.').map((part) => Number.parseInt(part, 10));
  const want = required.split('.').map((part) => Number.parseInt(part, 10));
  for (let i = 0; i < want.length; i++) {
    if (have[i] !== want[i]) return have[i] > want[i];
  }
  return true;
}
