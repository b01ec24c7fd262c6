import { expect, test } from 'vitest';
import type { RunEvent } from '../../../src/events.ts';
import { chooseGpus } from '../../../src/pipeline/extractor/network-extractor.ts';
import type { FoundRuntimes } from '../../../src/runtime/locate-runtime.ts';

// Made-up machines: no GPU was at hand.
function machine(devices: string[], capabilities?: string[]): FoundRuntimes {
  const runtime = (kind: 'cpu' | 'gpu') => {
    return { kind, dir: '', bindingPath: 'tfjs_binding.node', tensorflow: '2.21.0' } as const;
  };
  return {
    platform: { name: 'linux-x64', key: 'linux-x64', reason: undefined },
    driver: {
      present: devices.length > 0,
      version: '550.54.15',
      devices,
      capabilities,
      detail: devices.length > 0 ? `${devices.join(', ')} (driver 550.54.15)` : 'no NVIDIA driver',
      ...(devices.length === 0 && { missing: 'driver' }),
    },
    cpu: runtime('cpu'),
    gpu: runtime('gpu'),
  } as FoundRuntimes;
}

function choose(gpus: 'all' | number[] | undefined, devices: string[]) {
  const events: RunEvent[] = [];
  const onEvent = (event: RunEvent) => events.push(event);
  return { ...chooseGpus({ device: 'auto', gpus }, machine(devices), { onEvent }, {}), events };
}

test('without --gpus one engine takes the device that there is', () => {
  expect(choose(undefined, ['NVIDIA L4', 'NVIDIA L4'])).toMatchObject({
    gpus: [undefined],
    choice: { device: 'cuda', explicit: false },
  });
  expect(choose(undefined, []).choice.device).toBe('cpu');
});

test('auto that leaves a GPU alone warns of it, and a machine without one does not', () => {
  const events: RunEvent[] = [];
  const onEvent = (event: RunEvent) => events.push(event);
  const found = machine(['NVIDIA GeForce RTX 5090'], ['12.0']);
  const chosen = chooseGpus({ device: 'auto', gpus: undefined }, found, { onEvent }, {});
  expect(chosen.choice.device).toBe('cpu');
  expect(events).toEqual([
    { event: 'warning', message: `The GPU is idle: ${chosen.choice.reason}` },
  ]);
  expect(choose(undefined, []).events).toEqual([]);
});

test('--gpus asks for CUDA, with one engine for each', () => {
  const { choice, gpus, events } = choose('all', ['NVIDIA L4', 'NVIDIA L4']);
  expect(choice).toMatchObject({
    device: 'cuda',
    explicit: true,
    reason: 'asked for with --gpus all: NVIDIA L4, NVIDIA L4 (driver 550.54.15)',
  });
  expect(gpus.map((gpu) => gpu?.number)).toEqual([0, 1]);
  expect(events).toEqual([]);
});

test('GPUs of two kinds are told of: the last bits may differ', () => {
  const { events } = choose([0, 1], ['NVIDIA L4', 'NVIDIA A10']);
  expect(events).toEqual([
    {
      event: 'warning',
      message:
        'The GPUs differ (NVIDIA L4, NVIDIA A10): the last bits of a row can depend on which of them computes it.',
    },
  ]);
});

test('--gpus without a GPU is an error that says why', () => {
  expect(() => choose([0], [])).toThrow('Expected a GPU for --gpus 0 but found no NVIDIA driver.');
});
