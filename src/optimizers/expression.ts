/**
 * What an optimizer is written in: element-wise operations on float32 arrays, each rounded to float32. An expression is data; `programOf`
 * lists its operations for the two interpreters: slices on the host (coordinator/planes/exact/update/slice_kernels.ts) and a graph on a device
 * (worker/graph_update.ts).
 */
import { invariant } from '../common/errors.js';

export type Operator = 'add' | 'subtract' | 'multiply' | 'divide' | 'maximum' | 'squareRoot' | 'absolute';

/** What changes from step to step but not from element to element. */
export interface Moment {
  readonly learningRate: number;
  /** Commits before this step: 0 for the first. */
  readonly step: number;
}

export type Expression =
  /** An array: the gradient, the weights, a slot. */
  | { readonly kind: 'operand'; readonly name: string }
  /** One number for all elements: computed in float64, rounded to float32 once. */
  | { readonly kind: 'scalar'; readonly at: (moment: Moment) => number }
  | { readonly kind: 'operation'; readonly operator: Operator; readonly inputs: readonly Expression[] };

export const operand = (name: string): Expression => ({ kind: 'operand', name });
export const constant = (value: number): Expression => ({ kind: 'scalar', at: () => value });
export const perStep = (at: (moment: Moment) => number): Expression => ({ kind: 'scalar', at });

const operation =
  (operator: Operator) =>
  (...inputs: readonly Expression[]): Expression => ({ kind: 'operation', operator, inputs });
const binary = (operator: Operator): ((left: Expression, right: Expression) => Expression) => operation(operator);
const unary = (operator: Operator): ((of: Expression) => Expression) => operation(operator);

export const add = binary('add');
export const subtract = binary('subtract');
export const multiply = binary('multiply');
export const divide = binary('divide');
export const maximum = binary('maximum');
export const squareRoot = unary('squareRoot');
export const absolute = unary('absolute');

/** A list of operations. Values are numbered: first the operands, then the scalars, then what each operation gives. */
export interface Program {
  readonly operands: readonly string[];
  readonly scalars: readonly ((moment: Moment) => number)[];
  readonly operations: readonly { readonly operator: Operator; readonly inputs: readonly number[] }[];
  /** Both are numbers of values; `operand` is overwritten after everything was computed. */
  readonly outputs: readonly { readonly operand: number; readonly value: number }[];
}

/** Operands keep the order given; an expression that stands twice is computed once. */
export function programOf(operands: readonly string[], results: Readonly<Record<string, Expression>>): Program {
  const order: Expression[] = [];
  const seen = new Set<Expression>();
  const visit = (expression: Expression): void => {
    if (seen.has(expression)) return;
    seen.add(expression);
    if (expression.kind === 'operation') expression.inputs.forEach(visit);
    order.push(expression);
  };
  Object.values(results).forEach(visit);
  const scalars = order.filter((expression) => expression.kind === 'scalar');
  const operations = order.filter((expression) => expression.kind === 'operation');
  const numbers = new Map<Expression, number>([...scalars, ...operations].map((item, at) => [item, operands.length + at]));
  const operandNumber = (name: string): number => {
    const at = operands.indexOf(name);
    invariant(at >= 0, `operand ${name} is on the list`);
    return at;
  };
  const numberOf = (expression: Expression): number =>
    expression.kind === 'operand' ? operandNumber(expression.name) : (numbers.get(expression) as number);
  return {
    operands: [...operands],
    scalars: scalars.map(({ at }) => at),
    operations: operations.map(({ operator, inputs }) => ({ operator, inputs: inputs.map(numberOf) })),
    outputs: Object.entries(results).map(([name, value]) => ({ operand: operandNumber(name), value: numberOf(value) })),
  };
}
