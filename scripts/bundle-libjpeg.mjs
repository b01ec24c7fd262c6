/**
 * dist/vendor/libjpeg-turbo/<platform>/: libjpeg-turbo's shared library for the processors that we have an addon
 * for (native/jpeg), as @julusian/jpeg-turbo ships it. The package cannot depend on that one: it has an install script,
 * and 30 packages of build tools with it, where one file is used.
 */
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = join(ROOT, 'dist', 'vendor', 'libjpeg-turbo');
/** Elsewhere the package has it inside its own addon. */
const PLATFORMS = ['linux-x64', 'linux-arm64'];

const packageJson = createRequire(import.meta.url).resolve('@julusian/jpeg-turbo/package.json');
const temporary = `${OUT}.tmp-${process.pid}`;
try {
  for (const platform of PLATFORMS) {
    mkdirSync(join(temporary, platform), { recursive: true });
    const library = join('prebuilds', `jpeg-turbo-${platform}`, 'libturbojpeg.so.0');
    copyFileSync(
      join(dirname(packageJson), library),
      join(temporary, platform, 'libturbojpeg.so.0'),
    );
  }
  const { name, version } = JSON.parse(readFileSync(packageJson, 'utf8'));
  const license = readFileSync(join(ROOT, 'scripts', 'licenses', 'libjpeg-turbo.txt'), 'utf8');
  writeFileSync(
    join(temporary, 'LICENSES.txt'),
    `From ${name} ${version} (Apache-2.0):\n${license}`,
  );
  rmSync(OUT, { recursive: true, force: true });
  renameSync(temporary, OUT);
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
