/**
 * Owns: the seam through which a recording takes the place of execution in the binding, and the numbers of symbolic tensors.
 * Does not: record (recording.ts).
 */
import type { OpAttribute, TensorMetadata } from './op_executor.js';

/** Symbolic tensors are numbered from here; real handles never get this far. */
export const FIRST_SYMBOLIC_ID = 2 ** 40;

export function isSymbolic(tensorId: number): boolean {
  return tensorId >= FIRST_SYMBOLIC_ID;
}

/** A function of the context and what it is called with besides its inputs. */
export interface CalledFunction {
  readonly name: string;
  readonly attributes: readonly OpAttribute[];
}

/** Names of functions of the context with the same arguments: whether to go on, and what is done then, which gives new ones. */
export interface CalledLoop {
  readonly goesOn: string;
  readonly body: string;
}

/** Of what is known of a tensor before there is one. */
export interface TensorKind {
  readonly shape: readonly number[];
  readonly dtype: number;
}

/** While one is set on the binding, ops become graph nodes instead of being executed. */
export interface OpRecorder {
  /** XLA is to compile the function. */
  readonly forXla: boolean;
  executeOp(
    opName: string,
    attributes: readonly OpAttribute[],
    inputIds: readonly number[],
    outputCount: number,
  ): TensorMetadata[];
  /** A call of a function of the context, whose results are like these. */
  callFunction(called: CalledFunction, inputIds: readonly number[], results: readonly TensorKind[]): TensorMetadata[];
  /** A real tensor was made from JavaScript's values: a constant of the recorded function. */
  tensorCreated(tensorId: number): void;
  /** True if the deletion is the recorder's affair: the id is symbolic, or the tensor is needed until the recording ends. */
  takesDeletion(tensorId: number): boolean;
  /** Called before values are read; throws for what a recorded function may not read. */
  beforeRead(tensorId: number): void;
  /** What is recorded from here on is a loss and gradients: the forward pass of a model has ended. */
  endForward(): void;
  /** What is recorded from here on keeps its roundings under XLA (xla.ts). */
  endFree(): void;
  /** TensorFlow's type of a symbolic tensor. */
  dtypeOf(tensorId: number): number;
}
