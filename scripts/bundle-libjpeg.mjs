/**
 * dist/vendor/libjpeg-turbo/<platform>/: libjpeg-turbo's shared library for the processors that we have an addon
 * for (native/jpeg), as @julusian/jpeg-turbo ships it. The package cannot depend on that one: it has an install script,
 * and 30 packages of build tools with it, where one file is used. Each is checked to be the one that was looked at, and
 * loses its search path for other libraries (it names the current folder). docs/dependencies.md says what else was tried.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withoutRunpath } from './lib/elf-runpath.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = join(ROOT, 'dist', 'vendor', 'libjpeg-turbo');
/** SHA-256 of libjpeg-turbo 3.1.2 in @julusian/jpeg-turbo 2.3.0. Elsewhere the package has it inside its own addon. */
const LIBRARIES = {
  'linux-x64': 'd8a735da75b826e407dc442a8c86de5f45372fdc35e83a0bc7d9d4236c11d30e',
  'linux-arm64': '96f7bf39ebca03f8cb4a47e5b8bc610123314e87b8106661b54cc9e7bef2b295',
};

const packageJson = createRequire(import.meta.url).resolve('@julusian/jpeg-turbo/package.json');
const temporary = `${OUT}.tmp-${process.pid}`;
try {
  for (const [platform, sha256] of Object.entries(LIBRARIES)) {
    const source = join('prebuilds', `jpeg-turbo-${platform}`, 'libturbojpeg.so.0');
    const library = readFileSync(join(dirname(packageJson), source));
    const found = createHash('sha256').update(library).digest('hex');
    if (found !== sha256) {
      throw new Error(
        `Expected SHA-256 ${sha256} for ${source} but found ${found}: look at it first.`,
      );
    }
    mkdirSync(join(temporary, platform), { recursive: true });
    writeFileSync(join(temporary, platform, 'libturbojpeg.so.0'), withoutRunpath(library));
  }
  const { name, version } = JSON.parse(readFileSync(packageJson, 'utf8'));
  const license = readFileSync(join(ROOT, 'scripts', 'licenses', 'libjpeg-turbo.txt'), 'utf8');
  writeFileSync(
    join(temporary, 'LICENSES.txt'),
    `From ${name} ${version} (Apache-2.0), without its search path for libraries; the WebAssembly one is under the same terms:\n${license}`,
  );
  rmSync(OUT, { recursive: true, force: true });
  renameSync(temporary, OUT);
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
