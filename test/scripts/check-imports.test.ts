import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadScript } from './load-script.ts';

/** The faults of a small src/ with these files. */
async function faultsOf(files: Readonly<Record<string, string>>): Promise<string[]> {
  const { importFaults } = await loadScript('check-imports.mjs');
  const src = mkdtempSync(join(tmpdir(), 'img2features-imports-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(src, name)), { recursive: true });
      writeFileSync(join(src, name), text);
    }
    return importFaults(src);
  } finally {
    rmSync(src, { recursive: true });
  }
}

test('imports downwards and inside of a room are allowed', async () => {
  const faults = await faultsOf({
    'errors.ts': 'export const a = 1;',
    'model/b.ts': "import { a } from '../errors.ts';\nimport type { C } from './c.ts';",
    'model/c.ts': "export { a } from '../errors.ts';",
  });
  expect(faults).toEqual([]);
});

test('an import upwards is a fault, of types and of a module loaded on use, too', async () => {
  const faults = await faultsOf({
    'storage/a.ts': "import type { B } from '../pipeline/b.ts';",
    'run/c.ts': "const { b } = await import('../pipeline/b.ts');",
    'pipeline/b.ts': '',
  });
  expect(faults).toEqual([
    'run/c.ts: imports upwards, pipeline/b.ts',
    'storage/a.ts: imports upwards, pipeline/b.ts',
  ]);
});

test('a circle of types alone is a fault', async () => {
  const faults = await faultsOf({
    'image/a.ts': "import type { B } from './b.ts';",
    'image/b.ts': "import type { C } from './c.ts';",
    'image/c.ts': "import type { A } from './a.ts';",
  });
  expect(faults).toEqual(['a circle: image/a.ts -> image/b.ts -> image/c.ts -> image/a.ts']);
});

test('a new room has to be placed', async () => {
  expect(await faultsOf({ 'attic/a.ts': '' })).toEqual([
    'attic/a.ts: its room is not in the list of scripts/check-imports.mjs',
  ]);
});
