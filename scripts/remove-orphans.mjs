/**
 * tsc leaves what it once made: files in dist/ whose source was renamed or removed would be packed and
 * published. Only tsc writes .d.ts files there, so what other tools make stays. The command is made executable:
 * `npm link` does that only once.
 */
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

for (const name of readdirSync(join(ROOT, 'dist'), { recursive: true }).map(String)) {
  if (!name.endsWith('.d.ts')) continue;
  const path = name.slice(0, -'.d.ts'.length);
  if (existsSync(join(ROOT, 'src', `${path}.ts`))) continue;
  for (const end of ['.js', '.d.ts']) rmSync(join(ROOT, 'dist', path + end), { force: true });
}
chmodSync(join(ROOT, 'dist', 'cli.js'), 0o755);
