/** How long an epoch took, and at what rate its steps went. */
export class EpochMeter {
  readonly #nowMs: () => number;
  readonly #startMs: number;
  #steppingMs = 0;
  #examples = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
  }

  /** Returns the step's rate. */
  step(step: { examples: number; ms: number }): number {
    this.#steppingMs += step.ms;
    this.#examples += step.examples;
    return (step.examples / step.ms) * 1000;
  }

  /** Of the epoch so far, evaluation and saving included; the rate counts the training examples of this start. */
  total(examples: number): { seconds: number; imagesPerS: number } {
    const seconds = (this.#nowMs() - this.#startMs) / 1000;
    const rate = this.#steppingMs > 0 ? (this.#examples / this.#steppingMs) * 1000 : examples / seconds;
    return { seconds, imagesPerS: rate };
  }
}
