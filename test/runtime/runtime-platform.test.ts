import { expect, test } from 'vitest';
import { runtimePlatform } from '../../src/runtime/runtime-platform.ts';

const LINUX = { platform: 'linux', arch: 'x64', glibc: '2.36', cpuFlags: 'fpu sse2 avx avx2' };

test('Linux with glibc on x86-64 and Arm and macOS on Arm have a library', () => {
  expect(runtimePlatform(LINUX).key).toBe('linux-x64');
  expect(runtimePlatform({ ...LINUX, arch: 'arm64', cpuFlags: undefined }).key).toBe('linux-arm64');
  const mac = { platform: 'darwin', arch: 'arm64', glibc: undefined, cpuFlags: undefined };
  expect(runtimePlatform(mac).key).toBe('darwin-arm64');
});

test('musl has none', () => {
  const { key, reason } = runtimePlatform({ ...LINUX, glibc: undefined });
  expect(key).toBeUndefined();
  expect(reason).toBe('TensorFlow needs glibc and this system has another C library');
});

test('an old glibc has none', () => {
  expect(runtimePlatform({ ...LINUX, glibc: '2.26' }).reason).toBe(
    'TensorFlow needs glibc 2.27 and this is 2.26',
  );
  expect(runtimePlatform({ ...LINUX, glibc: '2.27' }).key).toBe('linux-x64');
});

test('an x86-64 CPU without AVX has none', () => {
  expect(runtimePlatform({ ...LINUX, cpuFlags: 'fpu sse2' }).reason).toBe(
    'TensorFlow needs a CPU with AVX and this one has none',
  );
});

test('Windows has none', () => {
  const machine = { platform: 'win32', arch: 'x64', glibc: undefined, cpuFlags: undefined };
  expect(runtimePlatform(machine).reason).toBe('TensorFlow 2.21 has no library for win32-x64');
});

test('this machine is described without an error', () => {
  expect(runtimePlatform().name).toBe(`${process.platform}-${process.arch}`);
});
