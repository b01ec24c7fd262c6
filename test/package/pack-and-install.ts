import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What `npm pack --json` says of the tarball. */
export interface Packed {
  readonly path: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

export interface Consumer {
  readonly dir: string;
  /** Why the packages could not be fetched, where that is the network's doing. */
  readonly offline: string | undefined;
  /** Runs a program as that project's user: an empty home. */
  run(program: string, ...args: string[]): { status: number | null; out: string; err: string };
}

/** `npm pack` of the checkout as it is built. */
export function pack(): Packed {
  const dir = mkdtempSync(join(tmpdir(), 'package-tarball-'));
  const { status, out, err } = npm(ROOT, ownEnv(), 'pack', '--json', '--pack-destination', dir);
  if (status !== 0) throw new Error(`npm pack failed: ${err}`);
  const [packed] = JSON.parse(out) as Omit<Packed, 'path'>[];
  return { ...packed!, path: join(dir, readdirSync(dir)[0]!) };
}

/** An empty project with the tarball installed, install scripts allowed. */
export function installInEmptyProject(tarball: string): Consumer {
  const root = mkdtempSync(join(tmpdir(), 'package-consumer-'));
  const dir = join(root, 'project');
  const home = join(root, 'home');
  mkdirSync(dir);
  mkdirSync(home);
  writeFileSync(join(dir, 'package.json'), '{ "private": true, "type": "module" }');
  const env = { ...ownEnv(), HOME: home, XDG_CACHE_HOME: join(home, '.cache') };
  const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=0'];
  const { status, err } = npm(dir, env, 'install', tarball, ...flags);
  const offline = status === 0 ? undefined : networkError(err);
  if (status !== 0 && offline === undefined) throw new Error(`npm install failed: ${err}`);
  const run = (program: string, ...args: string[]) =>
    program === 'npx'
      ? npm(dir, env, 'exec', '--offline', '--', ...args)
      : execute(dir, env, program, ...args);
  return { dir, offline, run };
}

function networkError(text: string): string | undefined {
  return /\b(ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|ERR_SOCKET_TIMEOUT|ENOTCACHED)\b/.exec(
    text,
  )?.[1];
}

/** Where npm finds its registry and its cache; nothing that `npm test` hands down from this project. */
const ownEnv = once((): NodeJS.ProcessEnv => {
  const handedDown = /^(npm_|IMG2FEATURES_|NODE_ENV|INIT_CWD)/i;
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !handedDown.test(name)),
  );
  const { userconfig, cache } = JSON.parse(npm(tmpdir(), env, 'config', 'list', '--json').out);
  return { ...env, npm_config_userconfig: userconfig, npm_config_cache: cache };
});

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function npm(cwd: string, env: NodeJS.ProcessEnv, ...args: string[]) {
  const script = process.env.npm_execpath;
  return script?.endsWith('npm-cli.js')
    ? execute(cwd, env, process.execPath, script, ...args)
    : execute(cwd, env, 'npm', ...args);
}

function execute(cwd: string, env: NodeJS.ProcessEnv, program: string, ...args: string[]) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  return { status, out: stdout ?? '', err: error === undefined ? stderr : String(error) };
}
