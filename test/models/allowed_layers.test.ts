import { expect, it } from 'vitest';
import { requireAllowedLayers } from '../../src/models/allowed_layers.js';

const layer = (className: unknown, config: object = {}): string =>
  JSON.stringify({ class_name: 'Sequential', config: { layers: [{ class_name: className, config }] } });

it('lets plain layers with initialisers and regularisers pass', () => {
  requireAllowedLayers(
    layer('Dense', {
      units: 10,
      kernel_initializer: { class_name: 'VarianceScaling' },
      kernel_regularizer: { class_name: 'L2' },
    }),
  );
});

it.each([
  ['a layer of somebody’s own', layer('Lambda'), 'the layer "Lambda"'],
  ['a layer whose name is no text', layer({ class_name: 'Dense' }), 'the layer {"class_name":"Dense"}'],
  ['a wrapped layer', layer('Dense', { layer: { class_name: 'Evil', config: {} } }), 'the layer "Evil"'],
  ['a key of the prototype', '{"class_name":"Sequential","__proto__":{"x":1}}', 'the key __proto__'],
  ['a monstrous size', layer('Dense', { units: 1e12 }), 'the number 1000000000000'],
  ['no JSON', 'require("fs")', 'not JSON'],
  ['depth', '['.repeat(100) + ']'.repeat(100), 'too deep'],
])('refuses %s', (_, topology, what) => {
  expect(() => requireAllowedLayers(topology)).toThrow(what);
});
