/** Whether an NVIDIA driver and a GPU are here, asked without needing nvidia-smi. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './run-command.ts';

export interface GpuDriver {
  /** A driver, its user library and at least one visible GPU are here. */
  readonly present: boolean;
  /** e.g. "550.54.15", when known. */
  readonly version: string | undefined;
  /** GPU names (from nvidia-smi), or device nodes such as "nvidia0". */
  readonly devices: readonly string[];
  /** One clause for messages: what was found or what is missing. */
  readonly detail: string;
}

/** Where the search looks; tests give a folder of their own as `root`. */
export interface DriverSearch {
  readonly root?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly platform?: string;
}

export async function findGpuDriver(search: DriverSearch = {}): Promise<GpuDriver> {
  const { root = '/', env = process.env, platform = process.platform } = search;
  const none = (detail: string, version?: string, devices: string[] = []): GpuDriver => ({
    present: false,
    version,
    devices,
    detail,
  });
  if (platform !== 'linux') return none(`CUDA is not supported on ${platform}`);

  const nodes = deviceNodes(root);
  const version = driverVersion(root);
  const library = await hasDriverLibrary(root, env);
  if (nodes.length === 0 && version === undefined && !library) return none('no NVIDIA driver');
  if (nodes.length === 0) {
    return none('an NVIDIA driver is installed but no GPU is visible (/dev/nvidia0)', version);
  }
  if (!library) {
    return none(
      "an NVIDIA GPU is here but the driver's library libcuda.so.1 is not",
      version,
      nodes,
    );
  }
  const hidden = hiddenBy(env);
  if (hidden) return none(hidden, version, nodes);

  const named = await namesFromSmi(env);
  const devices = named.names.length > 0 ? named.names : nodes;
  const known = version ?? named.version;
  const driver = known ? `driver ${known}` : 'driver of unknown version';
  return { present: true, version: known, devices, detail: `${devices.join(', ')} (${driver})` };
}

/** WSL2 has no /dev/nvidia0: there the GPU is /dev/dxg. */
function deviceNodes(root: string): string[] {
  try {
    const nodes = readdirSync(join(root, 'dev')).filter((name) => /^(nvidia\d+|dxg)$/.test(name));
    return nodes.sort();
  } catch {
    return [];
  }
}

function driverVersion(root: string): string | undefined {
  for (const path of ['proc/driver/nvidia/version', 'sys/module/nvidia/version']) {
    try {
      const version = /\b\d{3,}\.\d+(?:\.\d+)?\b/.exec(readFileSync(join(root, path), 'utf8'));
      if (version) return version[0];
    } catch {
      // not there: the next place
    }
  }
  return undefined;
}

const LIBRARY_DIRS = [
  'usr/lib/x86_64-linux-gnu',
  'usr/lib/aarch64-linux-gnu',
  'usr/lib64',
  'usr/lib',
  'usr/local/nvidia/lib64',
  'usr/local/cuda/compat',
  'usr/lib/wsl/lib',
  'run/opengl-driver/lib',
];

async function hasDriverLibrary(root: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  const dirs = LIBRARY_DIRS.map((dir) => join(root, dir));
  const extra = (env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean);
  if ([...dirs, ...extra].some((dir) => existsSync(join(dir, 'libcuda.so.1')))) return true;
  if (root !== '/') return false;
  for (const ldconfig of ['ldconfig', '/sbin/ldconfig']) {
    const listed = await runCommand(ldconfig, ['-p'], { env, timeoutMs: 5000 });
    if (listed.status === 0) return listed.stdout.includes('libcuda.so.1');
  }
  return false;
}

function hiddenBy(env: NodeJS.ProcessEnv): string | undefined {
  const visible = env.CUDA_VISIBLE_DEVICES;
  if (visible === undefined || !/^\s*(-1.*)?$/.test(visible)) return undefined;
  return `CUDA_VISIBLE_DEVICES=${JSON.stringify(visible)} hides every GPU`;
}

async function namesFromSmi(
  env: NodeJS.ProcessEnv,
): Promise<{ names: string[]; version?: string | undefined }> {
  const args = ['--query-gpu=name,driver_version', '--format=csv,noheader'];
  const smi = await runCommand('nvidia-smi', args, { env, timeoutMs: 10_000 });
  if (smi.status !== 0) return { names: [] };
  const rows = smi.stdout.trim().split('\n').filter(Boolean);
  const cells = rows.map((row) => row.split(',').map((cell) => cell.trim()));
  return { names: cells.map((row) => row[0] ?? ''), version: cells[0]?.[1] };
}
