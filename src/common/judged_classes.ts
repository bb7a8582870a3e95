/**
 * Owns: what came out where a model said of each validation example which class it is, as data.
 * Does not: count (src/data/judge_classes.ts) or show it (src/report/files/classes_section.ts).
 */

/** How many examples of class `is` the model says are `said`. */
export interface Pair {
  readonly is: number;
  readonly said: number;
  readonly count: number;
}

export interface WrongExample {
  /** In the validation data. */
  readonly row: number;
  readonly is: number;
  readonly said: number;
  /** That the model gives `said`. */
  readonly probability: number;
  /** PNG; null where examples are no pictures. */
  readonly picture: Uint8Array | null;
}

export interface JudgedClasses {
  readonly epoch: number;
  readonly step: number;
  readonly examples: number;
  readonly right: number;
  /** One more than the largest class that is or was said. */
  readonly classes: number;
  /** Of data that have them, by their numbers. */
  readonly names?: readonly string[];
  /** Those that occur, in the order of `is` and `said`. */
  readonly pairs: readonly Pair[];
  /** The most confident first. */
  readonly wrong: readonly WrongExample[];
}
