/**
 * Owns: an optimizer's update of one slice, in registers.
 * Does not: know the arithmetic (src/optimizers), or hold state: slots are the caller's, double-buffered (planes/exact/parameters.ts).
 */
import type { TrainConfig } from '../../../../common/train_config.js';
import type { Moment } from '../../../../optimizers/expression.js';
import { optimizerProgram, type SlotSpec } from '../../../../optimizers/optimizer_program.js';
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

export interface SliceStep extends Moment {
  /** Elements of the slice. */
  readonly length: number;
}

export interface Optimizer {
  readonly slots: readonly SlotSpec[];
  /** Updates `OPERANDS` in place, every operation rounded to float32. Returns whether all of it is finite. */
  update(slice: SliceStep): boolean;
}

export function createOptimizer(config: TrainConfig['optimizer']): Optimizer {
  const { slots, program } = optimizerProgram(config);
  const kernel = compileSlices(program);
  const registers = [OPERANDS.gradient, OPERANDS.weights, ...slots.map((_, index) => OPERANDS.slot(index))];
  return {
    slots,
    update: ({ length, ...moment }) => kernel({ registers, scalars: program.scalars.map((at) => at(moment)), length }),
  };
}
