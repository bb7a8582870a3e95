/** Owns: what was found in data, as far as a first model and its settings go by it. */

export interface TargetFacts {
  readonly name: string;
  /** Values of one example. */
  readonly size: number;
  /** Of labels that are indices of classes. */
  readonly classes?: number;
  /** Of labels that are numbers: of each value over the training set, where they are far from 0 and 1. */
  readonly scale?: readonly { readonly mean: number; readonly spread: number }[];
}

/** What the model must take and answer. */
export interface DataFacts {
  /** For people: `points.csv`. */
  readonly name: string;
  /** Of one example, channels last. */
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly targets: readonly TargetFacts[];
  readonly train: number;
  /** 0 where there is none. */
  readonly validation: number;
}
