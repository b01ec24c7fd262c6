/**
 * A real S3 server for tests and benchmarks, on this machine alone: versitygw, built once with Go into the
 * cache folder; without Go, moto's server in a Python environment of its own there.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cacheFolder } from '../../scripts/lib/cache-folder.mjs';

const GATEWAY = { module: 'github.com/versity/versitygw/cmd/versitygw', version: 'v1.8.0' };
const MOTO = 'moto[server]==5.2.1';
const BUILD_MS = 15 * 60_000;
const START_MS = 30_000;

/** @typedef {{ kind: 'versitygw' | 'moto', command: string }} FoundServer */
/**
 * @typedef {object} S3Server
 * @property {'versitygw' | 'moto'} kind
 * @property {string} endpoint
 * @property {{ accessKeyId: string, secretAccessKey: string }} credentials
 * @property {string | undefined} root the folder whose subfolders are buckets (versitygw)
 * @property {() => Promise<void>} stop
 */

/**
 * Starts a server on a free port of the loopback interface; undefined where this machine cannot have one.
 * @param {{ keepsAlive?: boolean }} [options] keepsAlive: versitygw answers many requests on a connection, as stores do
 * @returns {Promise<S3Server | undefined>}
 */
export async function startS3Server({ keepsAlive = false } = {}) {
  const found = await findServer();
  if (found === undefined) return undefined;
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'img2features-s3-'));
  const root = join(dir, 'root');
  mkdirSync(root);
  const credentials = { accessKeyId: 'tester', secretAccessKey: 'secret-of-tester' };
  const isGateway = found.kind === 'versitygw';
  const args = isGateway
    ? [
        '--port',
        `127.0.0.1:${port}`,
        '--quiet',
        ...(keepsAlive ? ['--keep-alive'] : []),
        'posix',
        root,
      ]
    : ['-H', '127.0.0.1', '-p', String(port)];
  const child = spawn(found.command, args, {
    stdio: 'ignore',
    env: {
      ...process.env,
      ROOT_ACCESS_KEY: credentials.accessKeyId,
      ROOT_SECRET_KEY: credentials.secretAccessKey,
    },
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  const endpoint = `http://127.0.0.1:${port}`;
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  };
  const isUp = await Promise.race([answers(endpoint), ended.then(() => false)]);
  if (!isUp) {
    await stop();
    return undefined;
  }
  return { kind: found.kind, endpoint, credentials, root: isGateway ? root : undefined, stop };
}

/** @returns {Promise<FoundServer | undefined>} */
async function findServer() {
  const dir = join(cacheFolder(), 's3-server');
  mkdirSync(dir, { recursive: true });
  const gateway = join(dir, `versitygw-${GATEWAY.version}`, 'versitygw');
  const moto = join(dir, 'moto', 'bin', 'moto_server');
  return withLock(join(dir, 'lock'), () => {
    if (existsSync(gateway) || buildGateway(dir, gateway)) {
      return { kind: 'versitygw', command: gateway };
    }
    if (existsSync(moto) || installMoto(dir, moto)) return { kind: 'moto', command: moto };
    return undefined;
  });
}

/**
 * @param {string} dir
 * @param {string} gateway
 */
function buildGateway(dir, gateway) {
  const temp = mkdtempSync(join(dir, 'build-'));
  try {
    const { module, version } = GATEWAY;
    const env = { ...process.env, GOBIN: temp };
    const built = spawnSync('go', ['install', `${module}@${version}`], {
      env,
      stdio: 'ignore',
      timeout: BUILD_MS,
    });
    if (built.status !== 0) return false;
    renameSync(temp, join(gateway, '..'));
    return true;
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
}

/**
 * @param {string} dir
 * @param {string} moto
 */
function installMoto(dir, moto) {
  const venv = join(dir, 'moto');
  const quiet = /** @type {const} */ ({ stdio: 'ignore', timeout: BUILD_MS });
  const isDone =
    spawnSync('python3', ['-m', 'venv', venv], quiet).status === 0 &&
    spawnSync(join(venv, 'bin', 'pip'), ['install', '--quiet', MOTO], quiet).status === 0;
  if (!isDone) rmSync(venv, { recursive: true, force: true });
  return isDone && existsSync(moto);
}

/**
 * Two test files at once must not build twice. A lock whose process has ended is taken over.
 * @template T
 * @param {string} lock
 * @param {() => T} work
 * @returns {Promise<T>}
 */
async function withLock(lock, work) {
  const own = String(process.pid);
  for (;;) {
    try {
      writeFileSync(lock, own, { flag: 'wx' });
      break;
    } catch {
      if (isGone(lock)) rmSync(lock, { force: true });
      else await delay(500);
    }
  }
  try {
    return work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** @param {string} lock */
function isGone(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH';
  }
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** @param {string} endpoint */
async function answers(endpoint) {
  const end = Date.now() + START_MS;
  while (Date.now() < end) {
    try {
      await (await fetch(endpoint)).arrayBuffer();
      return true;
    } catch {
      await delay(50);
    }
  }
  return false;
}
