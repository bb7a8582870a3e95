/** An optimizer with its settings, as one list of operations over the gradient, the weights and the slots. */
import { add, constant, multiply, operand, programOf, type Expression, type Program } from './expression.js';
import type { OptimizerName, OptimizerSettings } from './settings.js';
import { OPTIMIZERS } from './table.js';

export interface SlotSpec {
  readonly name: string;
  /** Of every element, before the first step; `weights`: as the weights are then. */
  readonly initial: number | 'weights';
}

export interface OptimizerProgram {
  /** Arrays as long as the trained weights. */
  readonly slots: readonly SlotSpec[];
  /** Operands: `gradient`, `weights`, then the slots in order. Writes all but the gradient. */
  readonly program: Program;
}

/** The slot of the weights' exponential moving average. */
export const AVERAGE = 'average';

/** The slots before the first step, of trained weights that are then `weights`. */
export function firstSlots(slots: readonly SlotSpec[], weights: Float32Array): Float32Array[] {
  return slots.map(({ initial }) => (initial === 'weights' ? weights.slice() : new Float32Array(weights.length).fill(initial)));
}

export interface OptimizerConfig extends OptimizerSettings {
  readonly name: OptimizerName;
  readonly weightDecay: number;
  readonly emaDecay: number | null;
}

/** `averageApart`: the average has its slot and is left to `averageProgram`, because weights are changed again before it is taken. */
export function optimizerProgram(config: OptimizerConfig, { averageApart = false } = {}): OptimizerProgram {
  const { name, weightDecay, emaDecay } = config;
  const optimizer = OPTIMIZERS[name];
  const slots: SlotSpec[] = Object.entries(optimizer.slots(config)).map(([slot, initial]) => ({ name: slot, initial }));
  const weights = operand('weights');
  const isAdded = optimizer.decay === 'added' && Math.fround(weightDecay) !== 0;
  const mean = operand('gradient');
  const updated = optimizer.update(
    {
      gradient: isAdded ? add(multiply(constant(weightDecay), weights), mean) : mean,
      weights,
      slots: Object.fromEntries(slots.map((slot) => [slot.name, operand(slot.name)])),
      weightDecay,
    },
    config,
  );
  const results = Object.fromEntries(slots.map((slot) => [slot.name, updated.slots[slot.name]]));
  if (emaDecay !== null) {
    slots.push({ name: AVERAGE, initial: 'weights' });
    results[AVERAGE] = averageApart ? operand(AVERAGE) : averageOf(emaDecay, updated.weights);
  }
  return {
    slots,
    program: programOf(['gradient', 'weights', ...slots.map((slot) => slot.name)], { weights: updated.weights, ...results }),
  };
}

/** Operands: `weights`, then the average, which it writes. */
export function averageProgram(emaDecay: number): Program {
  return programOf(['weights', AVERAGE], { [AVERAGE]: averageOf(emaDecay, operand('weights')) });
}

function averageOf(emaDecay: number, weights: Expression): Expression {
  return add(multiply(constant(emaDecay), operand(AVERAGE)), multiply(constant(1 - emaDecay), weights));
}
