/** On the real library, where `img2features setup` has put it into the cache. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type * as Probe from '../../src/runtime/probe-runtime.ts';
import { runtimePlatform } from '../../src/runtime/runtime-platform.ts';
import { readRuntime, runtimeDir } from '../../src/runtime/runtime-record.ts';
import { NO_TENSORFLOW, skipIf } from '../skip-if.ts';

const { key } = runtimePlatform();
const runtime = key && (await readRuntime(runtimeDir('cpu', key)));

describe('the installed CPU library', skipIf(!runtime, NO_TENSORFLOW), () => {
  test('is found in less than 50 ms', async () => {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      await readRuntime(runtimeDir('cpu', key!));
      times.push(performance.now() - started);
    }
    expect(Math.min(...times)).toBeLessThan(50);
  });

  test('loads in a process of its own and computes a convolution with oneDNN', async () => {
    const { probeRuntime } = await builtProbe();
    const probe = await probeRuntime(runtime!, { hideGpu: true, threads: 1 });
    expect(probe).toMatchObject({ tensorflow: '2.21.0', tfjsNode: '4.22.0', device: 'cpu' });
    if (key === 'linux-x64') expect(probe.oneDnn).toBe(true);
  });

  test('loads where util lacks what tfjs-node calls, as from Node 23 on', async () => {
    const { probeRuntime } = await builtProbe();
    const strip =
      "import{createRequire}from'node:module';const u=createRequire('file:///x')('util');delete u.isArray;delete u.isNullOrUndefined;";
    vi.stubEnv('NODE_OPTIONS', `--import=data:text/javascript,${encodeURIComponent(strip)}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect((await probeRuntime(runtime!)).device).toBe('cpu');
  });

  test('a library that is not there is one line that names the folder', async () => {
    const { probeRuntime } = await builtProbe();
    const lost = { ...runtime!, dir: '/no/such', bindingPath: '/no/such/tfjs_binding.node' };
    await expect(probeRuntime(lost)).rejects.toThrow(
      /^Expected TensorFlow's library in \/no\/such to work but found: .*tfjs_binding\.node/,
    );
  });
});

/** The built one: its child process starts from JavaScript. */
function builtProbe(): Promise<typeof Probe> {
  return import(new URL('../../dist/runtime/probe-runtime.js', import.meta.url).href);
}
