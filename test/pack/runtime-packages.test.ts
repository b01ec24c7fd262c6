import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runtimePackages } from '../../src/pack/runtime-packages.ts';
import { tempFolder } from '../e2e/run-cli.ts';

let dir: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ dir, remove } = await tempFolder());
});
afterEach(() => remove());

function addPackage(path: string, json: Record<string, unknown> = {}): void {
  mkdirSync(join(dir, path), { recursive: true });
  writeFileSync(join(dir, path, 'package.json'), JSON.stringify({ name: path, ...json }));
}

function found(root: string): string[] {
  return runtimePackages(join(dir, root)).map((path) => relative(dir, path));
}

test('of a checkout: what is needed at run time, however deep, each once', () => {
  addPackage('app', { dependencies: { a: '1', '@scope/b': '1' }, devDependencies: { tool: '1' } });
  addPackage('app/node_modules/a', { dependencies: { '@scope/b': '1', c: '1' } });
  addPackage('app/node_modules/@scope/b', { dependencies: { c: '2', a: '1' } });
  addPackage('app/node_modules/@scope/b/node_modules/c');
  addPackage('app/node_modules/c');
  addPackage('app/node_modules/tool');
  addPackage('app/node_modules/forgotten');
  expect(found('app')).toEqual([
    'app/node_modules/@scope/b',
    'app/node_modules/@scope/b/node_modules/c',
    'app/node_modules/a',
    'app/node_modules/c',
  ]);
});

test('of an installed package: those that npm put beside it', () => {
  addPackage('user/node_modules/app', { dependencies: { a: '1', c: '1' } });
  addPackage('user/node_modules/app/node_modules/c');
  addPackage('user/node_modules/a', { dependencies: { c: '2' } });
  addPackage('user/node_modules/c');
  expect(found('user/node_modules/app')).toEqual([
    'user/node_modules/a',
    'user/node_modules/app/node_modules/c',
    'user/node_modules/c',
  ]);
});

test('libraries for other machines, which npm left out, are not missed', () => {
  addPackage('app', { dependencies: { a: '1' } });
  addPackage('app/node_modules/a', {
    optionalDependencies: { 'a-linux': '1', 'a-other': '1' },
    peerDependencies: { nobody: '1' },
  });
  addPackage('app/node_modules/a-linux');
  expect(found('app')).toEqual(['app/node_modules/a', 'app/node_modules/a-linux']);
});

test('a package that is missing is an error', () => {
  addPackage('app', { dependencies: { a: '1' } });
  expect(() => found('app')).toThrow(/^Expected the package a for .*app but found none\.$/);
});

test('a link into the store of another package manager is refused', () => {
  addPackage('app', { dependencies: { a: '1' } });
  addPackage('store/a');
  const link = join(dir, 'app/node_modules/a');
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(join(dir, 'store/a'), link);
  expect(() => found('app')).toThrow(/^Expected a package as npm installs it but found a link at /);
});
