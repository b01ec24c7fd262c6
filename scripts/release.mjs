/**
 * `npm run release`: checks that this commit may be released, and makes release/: the package with its addons, SHA256SUMS and notes.md
 * (this version's part of CHANGELOG.md). Publishes nothing: .github/workflows/release.yml does, with npm's provenance,
 * when a tag v<version> is pushed.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap, ROOT } from './bootstrap.mjs';
import { notesOf } from './lib/release-notes.mjs';
import { StepError } from './lib/steps.mjs';

const OUT = join(ROOT, 'release');

try {
  await bootstrap(process.stdout);
  await release();
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

async function release() {
  const { version, repository } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const notes = notesOf(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), version);
  const changed = git('status', '--porcelain');
  if (changed !== '') {
    throw new StepError(`Expected a commit without changes but found:\n${changed}\nCommit them.`);
  }
  const tag = git('tag', '--points-at', 'HEAD', '--list', 'v*');
  if (tag !== '' && tag !== `v${version}`) {
    throw new StepError(`Expected the tag v${version} but found ${tag}: correct one of the two.`);
  }
  if (repository === undefined) {
    console.log('package.json names no repository: npm refuses --provenance without it.');
  }
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT);
  // What is built is imported now: a fresh clone has nothing before the set-up.
  const { buildAddons, removePrebuilt } = await import('./build-addons.mjs');
  for (const line of await buildAddons()) console.log(`Prebuilt for ${line}`);
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', OUT], { cwd: ROOT });
  // A checkout uses what its own compiler makes.
  removePrebuilt();
  const [{ filename, size }] = JSON.parse(packed.toString());
  const hash = createHash('sha256')
    .update(readFileSync(join(OUT, filename)))
    .digest('hex');
  writeFileSync(join(OUT, 'SHA256SUMS'), `${hash}  ${filename}\n`);
  writeFileSync(join(OUT, 'notes.md'), notes);
  console.log(
    `release/${filename}: ${size} bytes, SHA-256 ${hash}, of ${git('rev-parse', 'HEAD')}`,
  );
  if (tag === '') console.log(`Next: git tag v${version} && git push origin v${version}`);
}

/** @param {string[]} args */
function git(...args) {
  return execFileSync('git', args, { cwd: ROOT }).toString().trim();
}
