import { expect, test } from 'vitest';
import { parseKerasObject } from '../../src/convert/keras-json.ts';
import { convertTopology } from '../../src/convert/topology/convert-topology.ts';
import { parseGraph } from '../../src/convert/topology/parse-graph.ts';
import { StoreKeys } from '../../src/convert/topology/store-key.ts';

interface Row {
  readonly class_name: string;
  readonly name: string;
  readonly config: Record<string, unknown>;
  readonly inbound_nodes: unknown;
}

/** Rows of the converted model, as [class, name, inbound nodes without the empty kwargs]. */
function convert(model: unknown, isKeras3 = false) {
  const converted = convertTopology(parseGraph(parseKerasObject(model, 'the model')), {
    kerasVersion: isKeras3 ? '3.0.0' : '2.2.4',
    isKeras3,
    inputShape: () => [null, 8, 8, 3],
  });
  const { config } = converted.topology.model_config as {
    config: { layers: Row[]; output_layers: unknown };
  };
  return { ...converted, rows: config.layers, outputs: config.output_layers };
}

function calls(rows: readonly Row[]): unknown[] {
  const text = JSON.stringify(rows.map((row) => [row.class_name, row.name, row.inbound_nodes]));
  return JSON.parse(text.replaceAll(',{}]', ']'));
}

const INPUT = {
  class_name: 'InputLayer',
  name: 'image',
  config: { name: 'image', batch_input_shape: [null, 8, 8, 3], dtype: 'float32' },
  inbound_nodes: [],
};

function layer(class_name: string, name: string, from: unknown[], config: object = {}) {
  const inbound_nodes = [from.map((one) => (Array.isArray(one) ? [...one, {}] : [one, 0, 0, {}]))];
  return { class_name, name, config: { name, trainable: true, ...config }, inbound_nodes };
}

function functional(layers: unknown[], output: unknown[], name = 'model') {
  return {
    class_name: 'Model',
    config: { name, layers, input_layers: [['image', 0, 0]], output_layers: [output] },
  };
}

test('a Sequential of Keras 2.2: a bare list, the input shape in the first layer', () => {
  const { rows, outputs } = convert({
    class_name: 'Sequential',
    config: [
      {
        class_name: 'Flatten',
        config: { name: 'flat', trainable: true, batch_input_shape: [null, 8, 8, 3] },
      },
      { class_name: 'Dense', config: { name: 'out', trainable: true, units: 2 } },
    ],
  });
  expect(calls(rows)).toEqual([
    ['InputLayer', 'flat_input', []],
    ['Flatten', 'flat', [[['flat_input', 0, 0]]]],
    ['Dense', 'out', [[['flat', 0, 0]]]],
  ]);
  expect(outputs).toEqual([['out', 0, 0]]);
});

test('Keras 2 counts a nested model as called from 1 on, Keras 3 from 0', () => {
  const inner = functional([INPUT, layer('Flatten', 'flat', ['image'])], ['flat', 0, 0], 'inner');
  for (const first of [0, 1]) {
    const { rows } = convert(
      functional(
        [
          INPUT,
          { ...inner, ...{ name: 'inner', inbound_nodes: [[['image', 0, 0, {}]]] } },
          layer('Dense', 'out', [['inner', first, 0]], { units: 2 }),
        ],
        ['out', 0, 0],
      ),
    );
    expect(calls(rows)).toEqual([
      ['InputLayer', 'image', []],
      ['Flatten', 'flat', [[['image', 0, 0]]]],
      ['Dense', 'out', [[['flat', 0, 0]]]],
    ]);
  }
});

test('a shared layer keeps its calls apart, in the order in which they can be made', () => {
  const shared = layer('Activation', 'shared', [['later', 0, 0]], { activation: 'relu' });
  shared.inbound_nodes.unshift([['image', 0, 0, {}]] as never);
  const { rows } = convert(
    functional(
      [
        INPUT,
        shared,
        layer('Activation', 'later', [['shared', 0, 0]], { activation: 'tanh' }),
        layer('Add', 'sum', [
          ['shared', 0, 0],
          ['shared', 1, 0],
        ]),
      ],
      ['sum', 0, 0],
    ),
  );
  expect(calls(rows).slice(1)).toEqual([
    ['Activation', 'shared', [[['image', 0, 0]], [['later', 0, 0]]]],
    ['Activation', 'later', [[['shared', 0, 0]]]],
    [
      'Add',
      'sum',
      [
        [
          ['shared', 0, 0],
          ['shared', 1, 0],
        ],
      ],
    ],
  ]);
});

test.each([
  ['math.truediv', { y: 127.5 }, { scale: 1 / 127.5, offset: 0 }],
  ['math.subtract', { y: 3 }, { scale: 1, offset: -3 }],
  ['math.multiply', { y: 2 }, { scale: 2, offset: 0 }],
  ['__operators__.add', { y: 1 }, { scale: 1, offset: 1 }],
  ['math.multiply', { y: [[[[1, 2, 4]]]] }, { scale: [1, 2, 4], offset: 0 }],
  ['math.truediv', { y: [1, 2, 4] }, { scale: [1, 0.5, 0.25], offset: 0 }],
])('the TensorFlow operation %s with a number is a Rescaling', (op, kwargs, expected) => {
  const { rows } = convert(
    functional(
      [
        INPUT,
        {
          class_name: 'TFOpLambda',
          name: 'op',
          config: { name: 'op', trainable: true, dtype: 'float32', function: op },
          inbound_nodes: [['image', 0, 0, { ...kwargs, name: null }]],
        },
      ],
      ['op', 0, 0],
    ),
  );
  expect(rows[1]).toMatchObject({ class_name: 'Rescaling', config: expected });
});

test.each([
  ['cast', { dtype: 'float32' }, 'linear'],
  ['nn.relu', {}, 'relu'],
  ['nn.gelu', { approximate: true }, 'gelu_new'],
  ['nn.leaky_relu', { alpha: 0.2 }, 'leaky_relu'],
  ['nn.leaky_relu', { alpha: 0.1 }, undefined],
  ['nn.softmax', { axis: 1 }, undefined],
])('the TensorFlow function %s with %j is an Activation, or refused', (op, kwargs, activation) => {
  const called = {
    class_name: 'TFOpLambda',
    name: 'op',
    config: { name: 'op', trainable: true, dtype: 'float32', function: op },
    inbound_nodes: [['image', 0, 0, { ...kwargs, name: null }]],
  };
  const model = functional([INPUT, called], ['op', 0, 0]);
  if (activation === undefined) expect(() => convert(model)).toThrow('it is called with a');
  else
    expect(convert(model).rows[1]).toMatchObject({
      class_name: 'Activation',
      config: { activation },
    });
});

test('1 − x in Keras 2, and x − y in Keras 3', () => {
  const keras2 = convert(
    functional(
      [
        INPUT,
        {
          class_name: 'TFOpLambda',
          name: 'op',
          config: { name: 'op', trainable: true, function: 'math.subtract' },
          inbound_nodes: [['_CONSTANT_VALUE', -1, 1, { y: ['image', 0, 0] }]],
        },
      ],
      ['op', 0, 0],
    ),
  );
  expect(keras2.rows[1]).toMatchObject({
    class_name: 'Rescaling',
    config: { scale: -1, offset: 1 },
  });
  const tensor = (name: string) => ({
    class_name: '__keras_tensor__',
    config: { shape: [null, 8, 8, 3], keras_history: [name, 0, 0] },
  });
  const keras3 = convert(
    functional(
      [
        INPUT,
        layer('Activation', 'tanh', ['image'], { activation: 'tanh' }),
        {
          module: 'keras.src.ops.numpy',
          class_name: 'Subtract',
          name: 'op',
          config: { name: 'op' },
          inbound_nodes: [{ args: [tensor('image'), tensor('tanh')], kwargs: {} }],
        },
      ],
      ['op', 0, 0],
    ),
    true,
  );
  expect(calls(keras3.rows).slice(2)).toEqual([
    ['Rescaling', 'op_negated', [[['tanh', 0, 0]]]],
    [
      'Add',
      'op',
      [
        [
          ['image', 0, 0],
          ['op_negated', 0, 0],
        ],
      ],
    ],
  ]);
});

test.each([
  ['Conv2D', { dilation_rate: [2, 2] }, undefined],
  ['DepthwiseConv2D', { dilation_rate: [2, 2] }, undefined],
  ['Conv2D', { data_format: 'channels_first' }, 'its data_format is "channels_first"'],
  ['BatchNormalization', { axis: [1, 2] }, 'axis [1,2] is more than one'],
  ['BatchNormalization', { axis: [3], renorm: true }, 'its renorm is true'],
  [
    'ReLU',
    { max_value: 6, negative_slope: 0.1 },
    'tfjs has no rectifier with both negative_slope and max_value',
  ],
  ['ELU', { alpha: 0.5 }, 'its alpha is 0.5'],
  ['Rescaling', { scale: [1, 2, 3] }, undefined],
  ['Rescaling', { scale: [[1], [2]] }, 'scale [[1],[2]] is neither one number nor one for each'],
  ['CenterCrop', { height: 5, width: 4 }, undefined],
  ['LayerScale', {}, 'it is not the LayerScale of keras.applications'],
  ['Dense', { units: 2, activation: 'sparsemax' }, "its activation sparsemax is not one of tfjs'"],
  ['Activation', { activation: 'hard_sigmoid' }, undefined],
  ['Dense', { units: 2, lora_rank: 4 }, 'its argument lora_rank=4 has no counterpart'],
  ['Dense', { units: 2, dtype: 'int8_from_float32' }, 'its dtype is int8_from_float32'],
  ['MultiHeadAttention', {}, 'tfjs has no such layer'],
  ['RandomCrop', { height: 4 }, 'tfjs has no such layer'],
])('%s with %j', (className, config, problem) => {
  const model = functional([INPUT, layer(className, 'it', ['image'], config)], ['it', 0, 0]);
  if (problem === undefined) expect(convert(model).rows[1]!.config).toMatchObject(config);
  else {
    expect(() => convert(model)).toThrow(
      `Expected a layer that can be converted but found ${className} "it": ${problem}`,
    );
  }
});

test('hard_sigmoid has another slope in Keras 3 than in tfjs', () => {
  const model = functional(
    [INPUT, layer('Activation', 'it', ['image'], { activation: 'hard_sigmoid' })],
    ['it', 0, 0],
  );
  expect(convert(model).rows[1].config.activation).toBe('hard_sigmoid');
  expect(convert(model, true).rows[1].config.activation).toBe('hard_sigmoid_keras3');
});

test('a call with training=True, or with a second tensor by name, is refused', () => {
  const with_ = (kwargs: object) => {
    const it = layer('Dropout', 'it', ['image'], { rate: 0.5 });
    return functional([INPUT, { ...it, inbound_nodes: [[['image', 0, 0, kwargs]]] }], ['it', 0, 0]);
  };
  expect(() => convert(with_({ training: true }))).toThrow('it is called with training=true');
  expect(() => convert(with_({ mask: ['image', 0, 0] }))).toThrow(
    'it is called with mask=a tensor',
  );
  expect(convert(with_({ training: false, mask: null })).rows).toHaveLength(2);
  // Keras 3 writes the default of augmentation layers, which predict() overrides.
  const augmented = layer('RandomFlip', 'it', ['image'], { mode: 'horizontal' });
  const called = { ...augmented, inbound_nodes: [[['image', 0, 0, { training: true }]]] };
  const model = functional([INPUT, called], ['it', 0, 0]);
  expect(() => convert(model)).toThrow('it is called with training=true');
  expect(convert(model, true).rows).toHaveLength(2);
});

test('graphs that cannot be are said to be damaged', () => {
  const missing = functional([INPUT, layer('Flatten', 'flat', ['nowhere'])], ['flat', 0, 0]);
  expect(() => convert(missing)).toThrow(
    'Expected inputs for every layer but found none for "flat".',
  );
  const circle = functional(
    [INPUT, layer('Flatten', 'a', ['b']), layer('Flatten', 'b', ['a'])],
    ['a', 0, 0],
  );
  expect(() => convert(circle)).toThrow('none for "a", "b".');
  const twice = functional([INPUT, INPUT], ['image', 0, 0]);
  expect(() => convert(twice)).toThrow('Expected each layer name once but found "image" twice.');
  expect(() => convert(functional([INPUT], ['other', 0, 0]))).toThrow('none for "other"');
  expect(() => convert({ class_name: 'MyModel', config: {} })).toThrow(
    'Expected a Functional or Sequential Keras model but found a MyModel.',
  );
});

test('models inside models that multiply are stopped', () => {
  let model = functional([INPUT, layer('Activation', 'a', ['image'])], ['a', 0, 0], 'm0');
  for (let depth = 1; depth < 15; depth++) {
    const name = `m${depth}`;
    const inner = { ...model, name: 'inner', inbound_nodes: [] as unknown[] };
    inner.inbound_nodes = Array.from({ length: 4 }, () => [['image', 0, 0, {}]]);
    model = functional([INPUT, inner], ['inner', 0, 0], name);
  }
  expect(() => convert(model)).toThrow('Expected at most 50000 layer calls but found more.');
});

test('.weights.h5 groups are named by class, in snake case, in order', () => {
  const keys = new StoreKeys();
  const classes = ['Conv2D', 'Conv2D', 'MaxPooling2D', 'ReLU', 'TFOpLambda', 'Conv2D'];
  expect(classes.map((name) => keys.next(name))).toEqual([
    'conv2d',
    'conv2d_1',
    'max_pooling2d',
    're_lu',
    'tf_op_lambda',
    'conv2d_2',
  ]);
});

test.each([
  [
    'dim_ordering',
    { class_name: 'MaxPooling2D', config: { pool_size: [2, 2], dim_ordering: 'th' } },
  ],
  ['mode=2', { class_name: 'BatchNormalization', config: { mode: 2, axis: 3 } }],
  [
    'border_mode full',
    {
      class_name: 'Convolution2D',
      config: { nb_filter: 2, nb_row: 3, nb_col: 3, border_mode: 'full' },
    },
  ],
  ['output_dim', { class_name: 'LSTM', config: { output_dim: 2 } }],
  ['dot', { class_name: 'Merge', config: { mode: 'dot', dot_axes: -1 } }],
])('of Keras 1, %s has no counterpart: the layer is named', (_what, { class_name, config }) => {
  const model = functional([INPUT, layer(class_name, 'odd', ['image'], config)], ['odd', 0, 0]);
  expect(() => convert(model)).toThrow(/"odd"/);
});

test('Keras 1 pads by four numbers: top, bottom, left, right', () => {
  const padding = layer('ZeroPadding2D', 'pad', ['image'], {
    padding: [1, 2, 3, 4],
    dim_ordering: 'tf',
  });
  const { rows } = convert(functional([INPUT, padding], ['pad', 0, 0]));
  expect(rows[1]!.config.padding).toEqual([
    [1, 2],
    [3, 4],
  ]);
});
