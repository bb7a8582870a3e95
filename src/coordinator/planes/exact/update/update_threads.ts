/**
 * Owns: the threads that share a step's update, each a part of the elements: element by element nothing depends on the others, so the bits are those of
 * one thread. While they compute, the replicas wait, and the cores are free. They see weights, slots and gradients where these lie, in shared memory.
 * Does not: compute (step_update.ts, in update_thread.ts and, what is left, here).
 */
import { Piscina } from 'piscina';
import { isSharedArrayBuffer } from 'node:util/types';
import { trainedWeights } from '../../../../common/bucket_layout.js';
import { builtFile, requirePackageFile } from '../../../../system/package_file.js';
import { SLICE_ELEMENTS } from './slice_kernels.js';
import { normOfSquares } from './squared_norm.js';
import { clipFactor, finishStep, type SpanOutput, type StepInput, type StepOutput } from './step_update.js';
import { inTurns } from './turns.js';
import type { Norms, UpdateSetting, UpdateTask } from './update_thread.js';

const THREAD_FILE = builtFile('coordinator/planes/exact/update/update_thread.js');

/** Of one or two arrays, as `ArrivingSum` leaves them. */
export interface SharedStep extends StepInput {
  readonly gradients: readonly Float32Array[];
}

export class UpdateThreads {
  readonly #pool: Piscina;
  readonly #count: number;
  readonly #setting: UpdateSetting;

  constructor(count: number, setting: UpdateSetting) {
    requirePackageFile(THREAD_FILE);
    this.#count = count;
    this.#setting = setting;
    const threads = { minThreads: count, maxThreads: count, idleTimeout: Infinity };
    this.#pool = new Piscina({ filename: THREAD_FILE.href, workerData: setting, ...threads });
  }

  /** False where something of the step is in this thread's own memory. */
  canReach({ gradients, current, next }: SharedStep): boolean {
    const all = [...gradients, current.parameters, ...current.slots, next.parameters, ...next.slots];
    return all.every(({ buffer }) => isSharedArrayBuffer(buffer));
  }

  /** What `applyStep` does. */
  async apply(input: SharedStep, turns: Parameters<typeof inTurns>[1]): Promise<StepOutput> {
    const norm = input.clipNorm === null ? undefined : await this.#gradientNorm(input);
    const { gradients, globalBatch, learningRate, step } = input;
    const clip = clipFactor(input.clipNorm, norm?.gradientNorm);
    const buffers = { gradients, current: buffersOf(input.current), next: buffersOf(input.next) };
    const spans = await Promise.all(
      this.#spans().map((span) =>
        this.#run<SpanOutput>({ kind: 'span', ...span, ...buffers, globalBatch, learningRate, step, clip }),
      ),
    );
    const finite = spans.every((span) => span.finite);
    const reduceMs = (norm?.reduceMs ?? 0) + longest(spans);
    return inTurns(finishStep(input, { ...norm, finite, reduceMs }), turns);
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  /** Of whole slices, but the last. */
  #spans(): { start: number; end: number }[] {
    const { trainedSize } = this.#setting.layout;
    const slices = Math.ceil(trainedSize / SLICE_ELEMENTS);
    const bound = (part: number): number => Math.min(Math.floor((slices * part) / this.#count) * SLICE_ELEMENTS, trainedSize);
    return Array.from({ length: this.#count }, (_, part) => ({ start: bound(part), end: bound(part + 1) }));
  }

  /** Whole weights, so that each is added by halves as ever. */
  async #gradientNorm({ layout, gradients, globalBatch }: SharedStep): Promise<{ gradientNorm: number; reduceMs: number }> {
    const trained = trainedWeights(layout);
    const partOf = ({ offset, size }: { offset: number; size: number }): number =>
      Math.floor(((offset + size / 2) / layout.trainedSize) * this.#count);
    const firsts = Array.from({ length: this.#count }, (_, part) => trained.findIndex((slot) => partOf(slot) >= part));
    const bounds = [...firsts.map((first) => (first < 0 ? trained.length : first)), trained.length];
    const parts = await Promise.all(
      firsts.map((_, part) =>
        this.#run<Norms>({ kind: 'norms', gradients, globalBatch, from: bounds[part], to: bounds[part + 1] }),
      ),
    );
    return { gradientNorm: normOfSquares(parts.flatMap(({ squares }) => squares)), reduceMs: longest(parts) };
  }

  #run<Result>(task: UpdateTask): Promise<Result> {
    return this.#pool.run(task) as Promise<Result>;
  }
}

/** Without what else the object carries: it crosses into a thread. */
function buffersOf({ parameters, slots }: StepInput['current']): StepInput['current'] {
  return { parameters, slots };
}

function longest(parts: readonly { readonly reduceMs: number }[]): number {
  return Math.max(...parts.map(({ reduceMs }) => reduceMs));
}
