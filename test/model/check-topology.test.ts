import { describe, expect, test } from 'vitest';
import { buildArchitecture } from '../../src/model/architectures/build-architecture.ts';
import { checkTopology } from '../../src/model/check-topology.ts';

type Input = readonly [name: unknown, call?: unknown];

/** A layer called once on `inputs`; without any it is never called. */
function layer(name: string, inputs: readonly Input[] = [], config: Record<string, unknown> = {}) {
  return {
    class_name: 'Add',
    name,
    config: { name, ...config },
    inbound_nodes: inputs.length === 0 ? [] : [inputs.map(([from, call = 0]) => [from, call, 0])],
  };
}

function network(
  layers: readonly unknown[],
  {
    inputs = [['in', 0, 0]],
    outputs = [['out', 0, 0]],
  }: { inputs?: unknown; outputs?: unknown } = {},
) {
  return {
    class_name: 'Functional',
    config: { name: 'net', layers, input_layers: inputs, output_layers: outputs },
  };
}

const input = { ...layer('in'), class_name: 'InputLayer' };

describe('a topology is taken that', () => {
  test.each(['vgg16', 'vgg19', 'resnet50', 'mobilenetv2'])('is %s', (name) => {
    expect(() => checkTopology(buildArchitecture(name).topology)).not.toThrow();
  });

  test('lists a layer before its input', () => {
    checkTopology(network([layer('out', [['a']]), layer('a', [['in']]), input]));
  });

  test('calls a layer twice and asks for the second call', () => {
    const twice = { ...layer('a'), inbound_nodes: [[['in', 0, 0]], [['b', 0, 0]]] };
    checkTopology(network([input, twice, layer('b', [['in']]), layer('out', [['a', 1]])]));
  });

  test('calls a shared layer on its own output', () => {
    const shared = { ...layer('out'), inbound_nodes: [[['in', 0, 0]], [['out', 0, 0]]] };
    checkTopology(network([input, shared], { outputs: [['out', 1, 0]] }));
  });

  test('holds a model, whose own building is call 0', () => {
    const { config } = network([input, layer('out', [['in']])]);
    const nested = layer('nested', [['in']], config as Record<string, unknown>);
    checkTopology(network([input, nested, layer('out', [['nested', 1]])]));
  });

  test('names its one end without a list around it', () => {
    const layers = [input, layer('out', [['in']])];
    checkTopology(network(layers, { inputs: ['in', 0, 0], outputs: ['out', 0, 0] }));
  });
});

describe('a topology is refused that', () => {
  test.each<[what: string, topology: Record<string, unknown>, message: string]>([
    [
      'waits for a layer that is not there',
      network([input, layer('out', [['lost']])]),
      'Expected a known layer as input of layer out in modelTopology but found "lost".',
    ],
    [
      'waits for a call that is never made',
      network([input, layer('out', [['in', 1]])]),
      'Expected one of 1 outputs of in as input of layer out in modelTopology but found number 1.',
    ],
    [
      'waits for a layer that nothing feeds',
      network([input, layer('a'), layer('out', [['a']])]),
      'Expected one of 0 outputs of a as input of layer out in modelTopology but found number 0.',
    ],
    [
      'asks for a call of a negative number',
      network([input, layer('out', [['in', -1]])]),
      'but found number -1.',
    ],
    [
      'goes round in a circle',
      network([input, layer('a', [['in'], ['b']]), layer('b', [['a']]), layer('out', [['b']])]),
      'Expected layers without a circle in modelTopology but found one through a.',
    ],
    [
      'calls a layer on the output of that call',
      network([input, { ...layer('out'), inbound_nodes: [[['in', 0]], [['out', 1]]] }]),
      'Expected layers without a circle in modelTopology but found one through out.',
    ],
    [
      'has two layers of one name',
      network([input, layer('out', [['in']]), layer('out', [['in']])]),
      'Expected one layer named out in modelTopology but found two.',
    ],
    [
      'ends at a layer that is not there',
      network([input, layer('out', [['in']])], { outputs: [['end', 0, 0]] }),
      'Expected a known layer as an end of the network in modelTopology but found "end".',
    ],
    [
      'has no ends',
      network([input], { outputs: [] }),
      'Expected input_layers and output_layers in modelTopology but found none.',
    ],
    [
      'connects layers as Keras 3 writes it',
      network([input, { ...layer('out'), inbound_nodes: [{ args: [], kwargs: {} }] }]),
      'Expected a list of calls as inbound_nodes of layer out in modelTopology but found object.',
    ],
    [
      'has text for calls',
      network([input, { ...layer('out'), inbound_nodes: 'in' }]),
      'Expected a list of calls as inbound_nodes of layer out in modelTopology but found string.',
    ],
    [
      'has a layer without a class',
      network([input, { name: 'x', config: {} }]),
      'Expected class_name, name and config for layer 1 of modelTopology but found',
    ],
    [
      'has no layers',
      { class_name: 'Functional', config: { name: 'net' } },
      'Expected a list of layers in modelTopology but found none.',
    ],
    [
      'holds a damaged model',
      network([input, layer('out', [['in']], network([input, layer('out', [['lost']])]).config)]),
      'Expected a known layer as input of layer out',
    ],
  ])('%s', (_what, topology, message) => {
    expect(() => checkTopology(topology)).toThrow(message);
  });
});
