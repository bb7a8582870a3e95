/**
 * Owns: which inputs of which layers of a Keras model a mask reaches, so that what computes otherwise under one is refused only there.
 * Does not: refuse (layer_rules.ts).
 *
 * keras/src/layers/layer.py (3.15) and tf_keras/src/engine/base_layer.py (2.21): a layer hands masks on if it says so (`supports_masking`), and no other does.
 */

/** A layer, and what it is called on: `[layer, …]` of each tensor, over all its calls. */
export interface CalledLayer {
  readonly name: string;
  readonly className: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly on: readonly string[];
}

/** Which mask, by the layer that made it, or null. */
export type Mask = string | null;

/** Of layers of tfjs; RNNs hand on what their sequences have. */
const HAND_ON: ReadonlySet<string> = new Set([
  ...['Activation', 'ReLU', 'LeakyReLU', 'PReLU', 'ELU', 'Softmax', 'Dense', 'TimeDistributed', 'Rescaling'],
  ...['Add', 'Average', 'Concatenate', 'Maximum', 'Minimum', 'Multiply', 'BatchNormalization', 'LayerNormalization'],
  ...['Dropout', 'SpatialDropout1D', 'GaussianNoise', 'GaussianDropout', 'AlphaDropout'],
]);
const RECURRENT: ReadonlySet<string> = new Set(['SimpleRNN', 'GRU', 'LSTM', 'RNN', 'ConvLSTM2D']);

/**
 * By layer, the masks of the tensors it is called on. `outside`: a mask may come in by the model's inputs. `isModel`: a layer that is a model, which hands on
 * what reaches it and may make a mask of its own.
 */
export function reachedMasks(
  layers: readonly CalledLayer[],
  { outside, isModel }: { outside: boolean; isModel: (className: string) => boolean },
): ReadonlyMap<string, readonly Mask[]> {
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const reached = new Map<string, readonly Mask[]>();
  const made = new Map<string, Mask>();
  const maskOf = (name: string): Mask => {
    const known = made.get(name);
    if (known !== undefined) return known;
    // Of a layer that is called on what came of itself, until its inputs are known.
    made.set(name, name);
    const layer = byName.get(name);
    const masks = layer?.on.map(maskOf) ?? [];
    reached.set(name, masks);
    const mask = layer === undefined ? null : maskFrom(layer, masks);
    made.set(name, mask);
    return mask;
  };
  const maskFrom = ({ name, className, config }: CalledLayer, masks: readonly Mask[]): Mask => {
    if (className === 'InputLayer') return outside ? name : null;
    if (className === 'Masking' || (className === 'Embedding' && config.mask_zero === true)) return name;
    const inner = className === 'Bidirectional' ? (config.layer as { config: CalledLayer['config'] }).config : config;
    const handsOn =
      RECURRENT.has(className) || className === 'Bidirectional' ? inner.return_sequences === true : HAND_ON.has(className);
    if (isModel(className)) return masks.some((mask) => mask !== null) || makesMask(config) ? name : null;
    const [first = null, ...others] = masks;
    if (!handsOn || masks.every((mask) => mask === null)) return null;
    return others.every((mask) => mask === first) ? first : name;
  };
  for (const { name } of layers) maskOf(name);
  return reached;
}

/** Some layer in a topology makes a mask. */
export function makesMask(topology: unknown): boolean {
  return /"mask_zero": ?true|"class_name": ?"Masking"/.test(JSON.stringify(topology));
}
