/** Owns: what a run asks to be judged by. */

/** What the user named; null where nothing. */
export interface ObjectiveRequest {
  readonly loss: string | null;
  readonly metrics: readonly string[] | null;
  /** `output=number`, or numbers by position; left out or empty: as the model is compiled, else each output counts once. */
  readonly lossWeights?: readonly string[];
}
