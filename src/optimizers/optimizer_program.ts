/** An optimizer with its settings, as one list of operations over the gradient, the weights and the slots. */
import { add, constant, multiply, operand, programOf, type Program } from './expression.js';
import type { OptimizerName, OptimizerSettings } from './settings.js';
import { OPTIMIZERS } from './table.js';

export interface SlotSpec {
  readonly name: string;
  /** Of every element, before the first step. */
  readonly initial: number;
}

export interface OptimizerProgram {
  /** Arrays as long as the trained weights. */
  readonly slots: readonly SlotSpec[];
  /** Operands: `gradient`, `weights`, then the slots in order. Writes all but the gradient. */
  readonly program: Program;
}

export function optimizerProgram(
  config: OptimizerSettings & { readonly name: OptimizerName; readonly weightDecay: number },
): OptimizerProgram {
  const { name, weightDecay } = config;
  const optimizer = OPTIMIZERS[name];
  const slots = Object.entries(optimizer.slots(config)).map(([slot, initial]) => ({ name: slot, initial }));
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
  return {
    slots,
    program: programOf(['gradient', 'weights', ...slots.map((slot) => slot.name)], { weights: updated.weights, ...results }),
  };
}
