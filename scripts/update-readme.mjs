/** Writes the table of options into README.md, from the built code: `npm run build && node scripts/update-readme.mjs`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { optionsTable } from '../dist/options/options-table.js';

const path = new URL('../README.md', import.meta.url);
const table = /^\| option \| default \| meaning \|$[\s\S]*?^\| `--config`.*$/m;
writeFileSync(
  path,
  readFileSync(path, 'utf8').replace(table, () => optionsTable()),
);
