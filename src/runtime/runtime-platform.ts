import { readFileSync } from 'node:fs';

export type PlatformKey = 'linux-x64' | 'linux-arm64' | 'darwin-arm64';

/** Whether TensorFlow has a library for this machine. */
export interface RuntimePlatform {
  /** e.g. "linux-x64", also for platforms without a library. */
  readonly name: string;
  /** Undefined where no library exists: only WebAssembly runs there. */
  readonly key: PlatformKey | undefined;
  /** Why there is none. */
  readonly reason: string | undefined;
}

/** Facts that decide it; taken from this machine unless a test gives others. */
export interface MachineFacts {
  readonly platform: string;
  readonly arch: string;
  /** glibc's version, e.g. "2.36"; undefined on musl (Alpine). Linux only. */
  readonly glibc: string | undefined;
  /** CPU flags of /proc/cpuinfo on x86, when readable. */
  readonly cpuFlags: string | undefined;
}

const KEYS: readonly string[] = ['linux-x64', 'linux-arm64', 'darwin-arm64'];
/** The wheels are tagged manylinux_2_27. */
const OLDEST_GLIBC = '2.27';

export function runtimePlatform(machine: MachineFacts = thisMachine()): RuntimePlatform {
  const name = `${machine.platform}-${machine.arch}`;
  const without = (reason: string): RuntimePlatform => ({ name, key: undefined, reason });
  if (!KEYS.includes(name)) return without(`TensorFlow 2.21 has no library for ${name}`);
  if (machine.platform === 'linux') {
    if (machine.glibc === undefined) {
      return without('TensorFlow needs glibc and this system has another C library');
    }
    if (!isAtLeast(machine.glibc, OLDEST_GLIBC)) {
      return without(`TensorFlow needs glibc ${OLDEST_GLIBC} and this is ${machine.glibc}`);
    }
    if (machine.arch === 'x64' && machine.cpuFlags && !/\bavx\b/.test(machine.cpuFlags)) {
      return without('TensorFlow needs a CPU with AVX and this one has none');
    }
  }
  return { name, key: name as PlatformKey, reason: undefined };
}

/** Whether a version, e.g. "2.36" or "22.21.0", is that one or a later one: by its first two numbers. */
export function isAtLeast(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

function thisMachine(): MachineFacts {
  const { platform, arch } = process;
  if (platform !== 'linux') return { platform, arch, glibc: undefined, cpuFlags: undefined };
  // The network section of the report looks up host names: slow, and not wanted here.
  Object.assign(process.report, { excludeNetwork: true });
  const report = process.report.getReport() as unknown as {
    header: { glibcVersionRuntime?: string };
  };
  return { platform, arch, glibc: report.header.glibcVersionRuntime, cpuFlags: readCpuFlags() };
}

function readCpuFlags(): string | undefined {
  try {
    return /^flags\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
  } catch {
    return undefined; // no /proc: the probe after the install will show it
  }
}
