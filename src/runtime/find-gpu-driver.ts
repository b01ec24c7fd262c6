/** Whether an NVIDIA driver and a GPU are here, asked without needing nvidia-smi. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './run-command.ts';

export interface GpuDriver {
  /** A driver, its user library and at least one visible GPU are here. */
  readonly present: boolean;
  /** What a GPU lacks here, when `present` is false. */
  readonly missing?: 'driver' | 'gpu' | 'library' | 'visibility' | 'platform' | undefined;
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
  const nodes = platform === 'linux' ? deviceNodes(root) : [];
  const version = platform === 'linux' ? driverVersion(root) : undefined;
  const without = (missing: GpuDriver['missing'], detail: string): GpuDriver => ({
    present: false,
    missing,
    version,
    devices: nodes,
    detail,
  });
  if (platform !== 'linux') return without('platform', `CUDA does not exist on ${platform}`);

  const library = await hasDriverLibrary(root, env);
  if (nodes.length === 0) {
    return version === undefined && !library
      ? without('driver', 'no NVIDIA driver')
      : without('gpu', 'an NVIDIA driver, but no GPU that this process may use');
  }
  if (!library) return without('library', "an NVIDIA GPU, but not the driver's libcuda.so.1");
  const hidden = env.CUDA_VISIBLE_DEVICES;
  if (hidden !== undefined && /^\s*(-1.*)?$/.test(hidden)) {
    return without('visibility', `CUDA_VISIBLE_DEVICES="${hidden}", which hides every GPU`);
  }

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
