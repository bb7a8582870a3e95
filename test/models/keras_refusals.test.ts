/**
 * Owns: what of Keras is refused, by code: what tfjs has not, and what it computes otherwise and would do without a word (shared by no message of
 * tfjs). Each is one option away from a layer that is taken.
 */
import { expect, it } from 'vitest';
import { convertTopology } from '../../src/models/keras/convert.js';

const policy = (name: string) => ({ module: 'keras', class_name: 'DTypePolicy', config: { name }, registered_name: null });

function converted(version: string, ...layers: [className: string, config: object][]): string {
  const model_config = {
    class_name: 'Sequential',
    config: {
      name: 's',
      layers: layers.map(([class_name, config], at) => ({ class_name, config: { name: `l${at}`, ...config } })),
    },
  };
  try {
    return JSON.stringify(
      (convertTopology({ keras_version: version, model_config }, 'm.json') as { config: { layers: object[] } }).config.layers[0],
    );
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === undefined) throw error;
    return `${code} ${message.replace('m.json: ', '')}`;
  }
}

const LSTM = { units: 2, recurrent_activation: 'sigmoid', return_sequences: true };
const MASK: [string, object] = ['Embedding', { input_dim: 2, output_dim: 2, mask_zero: true }];

it.each<[what: string, version: string, layers: [string, object][], wanted: string]>([
  ['an unknown layer', '3.15.1', [['RandomFlip', {}]], 'MODEL_LAYER_UNKNOWN layer l0 is a RandomFlip, which tfjs does not have'],
  [
    'an unknown activation',
    '2.15.0',
    [['Dense', { activation: 'exponential' }]],
    'MODEL_LAYER_UNKNOWN layer l0 is a layer with the activation exponential, which tfjs does not have',
  ],
  [
    'a GRU as both Keras make it',
    '2.15.0',
    [['GRU', { reset_after: true }]],
    'MODEL_LAYER_DIFFERS layer l0 (GRU) has reset_after=True, Keras’s default; tfjs computes only reset_after=False',
  ],
  [
    'a GRU inside a wrapper',
    '3.15.1',
    [['Bidirectional', { layer: { class_name: 'GRU', config: { reset_after: true } } }]],
    'MODEL_LAYER_DIFFERS layer GRU (GRU) has reset_after=True, Keras’s default; tfjs computes only reset_after=False',
  ],
  [
    'hard_sigmoid of Keras 3',
    '3.15.1',
    [['Activation', { activation: 'hard_sigmoid' }]],
    'MODEL_LAYER_DIFFERS layer l0 (Activation) uses hard_sigmoid, whose slope is 1/6 in Keras 3 and 1/5 in tfjs',
  ],
  [
    'bilinear upsampling',
    '2.15.0',
    [['UpSampling2D', { interpolation: 'bilinear' }]],
    'MODEL_LAYER_DIFFERS layer l0 (UpSampling2D) interpolates; tfjs takes other sample points than Keras',
  ],
  [
    'resizing',
    '3.15.1',
    [['Resizing', { height: 2, width: 2 }]],
    'MODEL_LAYER_DIFFERS layer l0 (Resizing) takes other sample points in tfjs than in Keras',
  ],
  ['groups', '2.15.0', [['Conv2D', { groups: 2 }]], 'MODEL_LAYER_DIFFERS layer l0 (Conv2D) has groups, which tfjs ignores'],
  [
    'output padding',
    '3.15.1',
    [['Conv2DTranspose', { output_padding: [1, 1] }]],
    'MODEL_LAYER_DIFFERS layer l0 (Conv2DTranspose) has output_padding, which tfjs ignores',
  ],
  [
    'kept dimensions',
    '3.15.1',
    [['GlobalMaxPooling2D', { keepdims: true }]],
    'MODEL_LAYER_DIFFERS layer l0 (GlobalMaxPooling2D) keeps its dimensions (keepdims), which tfjs ignores',
  ],
  [
    'a slope under a limit',
    '2.15.0',
    [['ReLU', { max_value: 6, negative_slope: 0.1 }]],
    'MODEL_LAYER_DIFFERS layer l0 (ReLU) has a slope or threshold beside another limit, which tfjs ignores',
  ],
  [
    'a penalty on activities',
    '3.15.1',
    [['Dense', { activity_regularizer: { class_name: 'L2', config: { l2: 1 } } }]],
    'MODEL_LAYER_DIFFERS layer l0 (Dense) has an activity_regularizer, which tfjs leaves out of the loss',
  ],
  [
    'weights of another type',
    '3.15.1',
    [['Dense', { dtype: policy('float16') }]],
    'MODEL_LAYER_DIFFERS layer l0 (Dense) has weights in float16; tfjs has float32',
  ],
  [
    'a batch norm over two axes',
    '2.15.0',
    [['BatchNormalization', { axis: [1, 2] }]],
    'MODEL_LAYER_DIFFERS layer l0 (BatchNormalization) normalizes over the axes 1, 2; tfjs takes one',
  ],
  [
    'a mean over masked steps',
    '3.15.1',
    [['GlobalAveragePooling1D', {}], MASK],
    'MODEL_LAYER_DIFFERS layer l0 (GlobalAveragePooling1D) averages over what is not masked; tfjs averages over everything',
  ],
  [
    'both directions under a mask',
    '2.15.0',
    [['Bidirectional', { layer: { class_name: 'LSTM', config: LSTM } }], MASK],
    'MODEL_LAYER_DIFFERS layer l0 (Bidirectional) gives zeros where its input is masked; tfjs repeats the last output',
  ],
  [
    'directions that differ',
    '3.15.1',
    [
      [
        'Bidirectional',
        { layer: { class_name: 'LSTM', config: LSTM }, backward_layer: { class_name: 'LSTM', config: { ...LSTM, units: 3 } } },
      ],
    ],
    'MODEL_LAYER_DIFFERS layer l0 (Bidirectional) has a backward layer unlike its forward layer; tfjs makes two of one kind',
  ],
])('refuses %s', (_, version, layers, wanted) => {
  expect(converted(version, ...layers)).toBe(wanted);
});

it('says of an embedding in int32 what may be whole numbers', () => {
  const layers = [{ class_name: 'Embedding', config: { name: 'e', input_dim: 2, output_dim: 2, dtype: 'int32' } }];
  const topology = { keras_version: '2.15.0', model_config: { class_name: 'Sequential', config: { name: 's', layers } } };
  const refused = (dtype: object): unknown => {
    Object.assign(layers[0].config, dtype);
    try {
      return convertTopology(topology, 'm.json');
    } catch (error) {
      return (error as { next: string }).next;
    }
  };
  expect(refused({})).toBe(
    'Give the Keras layer dtype="float32" and convert the model again; only what goes into it may be whole numbers: Input(shape, dtype="int32").',
  );
  expect(refused({ dtype: 'float32' })).toMatchObject({ class_name: 'Sequential' });
});

it.each<[what: string, version: string, layer: [string, object], wanted: object]>([
  ['hard_sigmoid of Keras 2', '2.15.0', ['Activation', { activation: 'hard_sigmoid' }], { activation: 'hard_sigmoid' }],
  ['silu', '3.15.1', ['Activation', { activation: 'silu' }], { activation: 'swish' }],
  [
    'an activation as an object',
    '3.15.1',
    ['Activation', { activation: { module: 'builtins', class_name: 'function', config: 'relu', registered_name: 'function' } }],
    { activation: 'relu' },
  ],
  ['a mixed policy, whose weights are float32', '3.15.1', ['Dense', { dtype: policy('mixed_bfloat16') }], { dtype: 'float32' }],
  ['batch_shape', '3.15.1', ['InputLayer', { batch_shape: [null, 2] }], { batch_input_shape: [null, 2] }],
  ['an axis in a list', '2.15.0', ['BatchNormalization', { axis: [3] }], { axis: 3 }],
  [
    'LecunNormal',
    '3.15.1',
    ['Dense', { kernel_initializer: { module: 'keras.initializers', class_name: 'LecunNormal', config: { seed: null } } }],
    { kernel_initializer: { class_name: 'LeCunNormal', config: { seed: null } } },
  ],
])('takes %s', (_, version, [className, config], wanted) => {
  expect(JSON.parse(converted(version, [className, config]))).toEqual({
    class_name: className,
    config: { name: 'l0', ...wanted },
  });
});

it('makes of a ReLU with a slope a LeakyReLU, of one with a threshold a ThresholdedReLU', () => {
  const plain = { max_value: null, negative_slope: 0, threshold: 0 };
  expect(converted('3.15.1', ['ReLU', { ...plain, negative_slope: 0.25 }])).toBe(
    '{"class_name":"LeakyReLU","config":{"name":"l0","alpha":0.25}}',
  );
  expect(converted('2.15.0', ['ReLU', { ...plain, threshold: 2 }])).toBe(
    '{"class_name":"ThresholdedReLU","config":{"name":"l0","theta":2}}',
  );
});

const tensor = (name: string) => ({ class_name: '__keras_tensor__', config: { keras_history: [name, 0, 0] } });

function called(node: object): string {
  const layers = [
    { class_name: 'InputLayer', config: { name: 'x', batch_shape: [null, 2] }, inbound_nodes: [] },
    { class_name: 'Dropout', config: { name: 'd', rate: 0.5 }, inbound_nodes: [node] },
  ];
  const model_config = {
    class_name: 'Functional',
    config: { name: 'm', layers, input_layers: ['x', 0, 0], output_layers: ['d', 0, 0] },
  };
  try {
    return JSON.stringify(convertTopology({ keras_version: '3.15.1', model_config }, 'm.json'));
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message}`;
  }
}

it('heeds training=False of a call and refuses what else tfjs would drop', () => {
  expect(JSON.parse(called({ args: [tensor('x')], kwargs: { training: false } }))).toMatchObject({
    inference_layers: ['d'],
    config: { input_layers: [['x', 0, 0]], layers: [{}, { name: 'd', inbound_nodes: [[['x', 0, 0, {}]]] }] },
  });
  expect(called({ args: [tensor('x')], kwargs: { training: true } })).toBe(
    'MODEL_CALL_DIFFERS m.json: layer d (Dropout) is called with training true, which tfjs ignores',
  );
  expect(called({ args: [tensor('x'), 2], kwargs: {} })).toBe(
    'MODEL_CALL_DIFFERS m.json: layer d (Dropout) is called with 2 beside its input, which tfjs ignores',
  );
});

/** A text whose steps count where it is no 0, in two copies, and a series of as many steps; `how` joins them, or what came of them. */
function joined(version: string, layer: [className: string, config: object], on: readonly string[]): string {
  const made: [name: string, className: string, config: object, on: readonly string[]][] = [
    ['text', 'InputLayer', { batch_input_shape: [null, 3] }, []],
    ['series', 'InputLayer', { batch_input_shape: [null, 3, 2] }, []],
    ['words', 'Embedding', { input_dim: 5, output_dim: 2, mask_zero: true }, ['text']],
    ['dense', 'Dense', { units: 2 }, ['words']],
    ['masked', 'Masking', { mask_value: 0 }, ['series']],
    ['last', 'LSTM', { ...LSTM, return_sequences: false }, ['words']],
    ['flat', 'Flatten', {}, ['series']],
    ['steps', 'LSTM', LSTM, ['words']],
    ['joined', ...layer, on],
  ];
  const layers = made.map(([name, class_name, config, from]) => ({
    ...{ class_name, name, config: { name, ...config } },
    inbound_nodes: from.length === 0 ? [] : [from.map((input) => [input, 0, 0, {}])],
  }));
  const ends = {
    input_layers: [
      ['text', 0, 0],
      ['series', 0, 0],
    ],
    output_layers: [['joined', 0, 0]],
  };
  const model_config = { class_name: 'Functional', config: { name: 'm', layers, ...ends } };
  try {
    convertTopology({ keras_version: version, model_config }, 'm.json');
    return 'taken';
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message.replace('m.json: layer joined ', '')}`;
  }
}

const LEAVES_OUT = 'leaves masked values out; tfjs computes with them';
const ANY = 'joins inputs of different masks; a step that counts in one of them counts here';
const EACH = 'joins inputs of different masks; a step has to count in all of them in tfjs';

// What either Keras computes was seen by running tf_keras 2.21.0 and keras 3.15.1.
it.each<[className: string, config: object, on: string[], keras2: string, keras3: string]>([
  ['Multiply', {}, ['words', 'series'], ANY, LEAVES_OUT],
  ['Maximum', {}, ['dense', 'words'], '', LEAVES_OUT],
  ['Minimum', {}, ['steps', 'masked'], ANY, LEAVES_OUT],
  ['Multiply', {}, ['last', 'flat'], '', ''],
  ['Add', {}, ['words', 'series'], ANY, ''],
  ['Average', {}, ['words', 'masked'], ANY, ''],
  ['Add', {}, ['words', 'dense'], '', ''],
  ['Concatenate', { axis: -1 }, ['words', 'series'], '', EACH],
  ['Concatenate', { axis: 2 }, ['words', 'masked'], '', EACH],
  ['Concatenate', { axis: -1 }, ['words', 'steps'], '', ''],
  ['Concatenate', { axis: 1 }, ['words', 'series'], '', ''],
  ['Concatenate', { axis: -1 }, ['last', 'flat'], '', ''],
])('%s %j of %j is taken where a mask changes nothing, else refused', (className, config, on, keras2, keras3) => {
  const wanted = (what: string): string => (what === '' ? 'taken' : `MODEL_LAYER_DIFFERS (${className}) ${what}`);
  expect(joined('2.15.0', [className, config], on)).toBe(wanted(keras2));
  expect(joined('3.15.1', [className, config], on)).toBe(wanted(keras3));
});
