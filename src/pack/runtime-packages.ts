import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ExportError } from '../errors.ts';

interface PackageJson {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/**
 * The folders of the packages that the one in `root` needs when it runs: its dependencies and theirs, found as Node
 * finds them; optional ones where npm installed them (libraries for this machine). Sorted.
 * @throws ExportError where one is missing, or is a link into a store of another package manager
 */
export function runtimePackages(root: string): string[] {
  const found = new Set<string>();
  const visit = (dir: string): void => {
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = readJson(dir);
    for (const name of Object.keys({
      ...dependencies,
      ...optionalDependencies,
      ...peerDependencies,
    })) {
      const target = resolvePackage(dir, name);
      if (target === undefined) {
        if (name in optionalDependencies || !(name in dependencies)) continue;
        throw new ExportError(`Expected the package ${name} for ${dir} but found none.`, {
          fix: 'Run `npm install` there.',
        });
      }
      if (found.has(target)) continue;
      if (lstatSync(target).isSymbolicLink()) {
        throw new ExportError(
          `Expected a package as npm installs it but found a link at ${target}.`,
          {
            fix: 'Install img2features with npm in an empty folder and pack from there.',
          },
        );
      }
      found.add(target);
      visit(target);
    }
  };
  visit(root);
  return [...found].sort();
}

/** The nearest `node_modules/<name>` at or above a package's folder. */
function resolvePackage(from: string, name: string): string | undefined {
  for (let dir = from; ; dir = dirname(dir)) {
    const candidate = join(dir, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (dirname(dir) === dir) return undefined;
  }
}

function readJson(dir: string): PackageJson {
  return JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as PackageJson;
}
