/**
 * Owns: an optimizer's update of one slice, in registers.
 * Does not: know the arithmetic (src/optimizers), or hold state: slots are the caller's, double-buffered (planes/exact/parameters.ts).
 */
import type { TrainConfig } from '../../../../common/train_config.js';
import type { Moment } from '../../../../optimizers/expression.js';
import { averageProgram, optimizerProgram, type SlotSpec } from '../../../../optimizers/optimizer_program.js';
import { SUM } from './reducer.js';
import { compileSlices, register, type Register } from './slice_kernels.js';

/** Where the update finds one slice of the trained parameters, and leaves what comes next. */
export const OPERANDS: {
  /** Mean over the global batch, clipped. */
  readonly gradient: Register;
  readonly weights: Register;
  /** In the order of `slots`. */
  readonly slot: (index: number) => Register;
} = { gradient: SUM, weights: register(1), slot: (index) => register(2 + index) };

interface SliceStep extends Moment {
  /** Elements of the slice. */
  readonly length: number;
}

export interface Optimizer {
  readonly slots: readonly SlotSpec[];
  /** Updates `OPERANDS` in place, every operation rounded to float32. Returns whether all of it is finite. */
  update(slice: SliceStep): boolean;
  /** Where weights are held to constraints: moves the average, the last slot, towards the weights that came of them. */
  readonly average: ((length: number) => boolean) | null;
}

/** `constrained`: weights are changed between the update and the average. */
export function createOptimizer(config: TrainConfig['optimizer'], { constrained = false } = {}): Optimizer {
  const { slots, program } = optimizerProgram(config, { averageApart: constrained });
  const kernel = compileSlices(program);
  const registers = [OPERANDS.gradient, OPERANDS.weights, ...slots.map((_, index) => OPERANDS.slot(index))];
  return {
    slots,
    update: ({ length, ...moment }) => kernel({ registers, scalars: program.scalars.map((at) => at(moment)), length }),
    average: constrained && config.emaDecay !== null ? averaging(config.emaDecay, slots.length - 1) : null,
  };
}

function averaging(emaDecay: number, slot: number): (length: number) => boolean {
  const { scalars, ...program } = averageProgram(emaDecay);
  const kernel = compileSlices({ scalars, ...program });
  const registers = [OPERANDS.weights, OPERANDS.slot(slot)];
  const values = scalars.map((at) => at({ learningRate: 0, step: 0 }));
  return (length) => kernel({ registers, scalars: values, length });
}
