/**
 * Owns: what is watched in tfjs while a function is recorded: its variables (kept safe, and put back), tensors from outside, Math.random.
 * Does not: record ops (recording.ts) or judge results (record.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { kernelBackend, type KernelBackend } from '../backend/kernel_backend.js';
import { calledFunction, captureSite, RecordError, userLine } from './record_error.js';
import type { RecordedValue } from './recorded.js';
import type { Recording } from './recording.js';
import { readsData } from './recording.js';
import { typeAttr } from '../backend/raw_ops.js';

/** Parts of tfjs's engine that it does not export as types (tfjs-core/src/engine.ts). */
interface TfjsEngine {
  readonly state: {
    readonly registeredVariables: Record<string, tfjs.Variable>;
    readonly gradientDepth: number;
    readonly tensorInfo: WeakMap<object, { backend: tfjs.KernelBackend }>;
  };
  nextTensorId(): number;
  makeVariable(initialValue: tfjs.Tensor, trainable?: boolean, name?: string, dtype?: tfjs.DataType): tfjs.Variable;
  disposeTensor(tensor: tfjs.Tensor): void;
  trackTensor(tensor: tfjs.Tensor, backend: tfjs.KernelBackend): void;
}

export function tfjsEngine(): TfjsEngine {
  return tf.engine() as unknown as TfjsEngine;
}

interface HeldVariable {
  variable: tfjs.Variable;
  dataId: object;
  tensorId: number;
}

/** tfjs counts an optimizer's steps in JavaScript, and saves the count with its slots. */
export interface StepCounter {
  incrementIterations(): void;
}

/** Where a capture's tensor comes from at each call. */
export type CaptureSource = { kind: 'variable'; variable: tfjs.Variable } | { kind: 'tensor'; dataId: object };

export class TfjsWatch {
  /** Variables that the function made. */
  readonly created: (HeldVariable & { site: Error })[] = [];
  /** Optimizers that made a step, once per step. */
  readonly stepped: StepCounter[] = [];
  /** Data from outside that was read as it is: if it is gone, the recording is out of date. */
  readonly readOutside = new Set<object>();

  private readonly backend: KernelBackend = kernelBackend();
  private readonly engine = tfjsEngine();
  private readonly held: HeldVariable[];
  private readonly variableOf = new Map<number, tfjs.Variable>();
  private readonly outside = new Map<number, object>();
  /** Data that the function made from JavaScript values. */
  private readonly inside = new WeakSet<object>();
  private readonly firstTensorId: number;
  private readonly undo: (() => void)[] = [];

  constructor() {
    this.held = Object.values(this.engine.state.registeredVariables)
      .filter((variable) => this.isLive(variable))
      .map((variable) => this.hold(variable));
    this.firstTensorId = this.engine.nextTensorId();
  }

  /** Throws for the value of a variable. */
  readonly readable = (tensorId: number): void => {
    const variable = this.variableOf.get(tensorId);
    if (variable !== undefined) throw readsData(`variable ${variable.name}`);
  };

  sourceOf(tensorId: number): CaptureSource {
    const variable = this.variableOf.get(tensorId);
    return variable !== undefined ? { kind: 'variable', variable } : { kind: 'tensor', dataId: this.outside.get(tensorId) ?? {} };
  }

  isOutside(tensor: tfjs.Tensor): boolean {
    return tensor.id < this.firstTensorId;
  }

  start(recording: Recording): void {
    const { backend, engine } = this;
    const getInputTensorIds = backend.getInputTensorIds;
    this.replace(backend, 'getInputTensorIds', (tensors: readonly tfjs.TensorInfo[]) => {
      for (const tensor of tensors) this.noteOutside(recording, tensor, getInputTensorIds);
      return getInputTensorIds.call(backend, tensors);
    });
    const move = backend.move;
    this.replace(backend, 'move', (dataId: object, ...rest: unknown[]) => {
      this.inside.add(dataId);
      (move as (...args: unknown[]) => void).call(backend, dataId, ...rest);
    });
    const readSync = backend.readSync;
    this.replace(backend, 'readSync', (dataId: object) => {
      const values = readSync.call(backend, dataId);
      // What could be read is a constant of the function's own, or data from outside, which must still be there at later calls.
      if (!this.inside.has(dataId)) this.readOutside.add(dataId);
      return values;
    });
    const makeVariable = engine.makeVariable;
    this.replace(engine, 'makeVariable', (...args: Parameters<TfjsEngine['makeVariable']>) => {
      const variable = makeVariable.apply(engine, args);
      backend.incRef(variable.dataId);
      const [tensorId] = backend.getInputTensorIds([variable]);
      this.created.push({ variable, dataId: variable.dataId, tensorId, site: captureSite() });
      return variable;
    });
    const { stepped } = this;
    this.replace(tf.Optimizer.prototype as unknown as StepCounter, 'incrementIterations', function (this: StepCounter) {
      stepped.push(this);
    });
    this.replace(Math, 'random', () => {
      const site = captureSite();
      throw new RecordError(
        'RECORD_DRAWS_RANDOM',
        calledFunction(site) ?? 'Math.random',
        userLine(site),
        'Random numbers are drawn in JavaScript while the function is recorded; every call would repeat them',
        'Use keyedRandom or keyedDropout (with withDropout around the model), pass random tensors as arguments, or give the op a seed to repeat it on purpose.',
      );
    });
  }

  /** Variables whose value the function replaced, with the new value. */
  updates(recording: Recording): { variable: tfjs.Variable; value: RecordedValue }[] {
    const changed = [...this.held, ...this.created].filter(
      ({ variable, dataId }) => !variable.isDisposed && variable.dataId !== dataId,
    );
    return changed.map(({ variable }) => ({
      variable,
      value: recording.valueOf(this.backend.getInputTensorIds([variable])[0], 'assign'),
    }));
  }

  /** The name of a variable that the function disposed. */
  disposedVariable(): string | undefined {
    return this.held.find(({ variable }) => variable.isDisposed)?.variable.name;
  }

  /** Takes the watch off and gives every variable the value it had before (created ones: their first). */
  stop(): void {
    for (const undo of this.undo.splice(0).reverse()) undo();
    for (const { variable, dataId } of [...this.held, ...this.created]) {
      if (variable.isDisposed || variable.dataId === dataId) {
        this.backend.disposeData(dataId);
        continue;
      }
      this.engine.disposeTensor(variable);
      variable.dataId = dataId;
      // The reference counted by `hold` is the variable's own from here on.
      this.engine.trackTensor(variable, this.backend);
    }
  }

  /** tfjs keeps variables registered whose engine was disposed; their values are gone. */
  private isLive(variable: tfjs.Variable): boolean {
    const owner = this.engine.state.tensorInfo.get(variable.dataId)?.backend as Partial<KernelBackend> | undefined;
    return owner?.binding === undefined || owner.binding.context.alive;
  }

  /** Makes the variable the only owner of its data, so that its tensor id names it, and keeps that data while it is replaced. */
  private hold(variable: tfjs.Variable): HeldVariable {
    let [tensorId] = this.backend.getInputTensorIds([variable]);
    if (this.backend.refCount(variable.dataId) > 1) {
      const { binding } = this.backend;
      const [copy] = binding.executeOp('Identity', [typeAttr('T', binding.dtypeOf(tensorId))], [tensorId], 1);
      const tensor = this.backend.createOutputTensor(copy);
      variable.assign(tensor);
      tensor.dispose();
      tensorId = copy.id;
    }
    this.backend.incRef(variable.dataId);
    this.variableOf.set(tensorId, variable);
    return { variable, dataId: variable.dataId, tensorId };
  }

  /** Uploads data that was made before the recording and still waits in JavaScript: a capture, not a constant of the function. */
  private noteOutside(recording: Recording, tensor: tfjs.TensorInfo, upload: KernelBackend['getInputTensorIds']): void {
    if (tensor.dataId === undefined || this.inside.has(tensor.dataId) || !this.backend.tensorMap.has(tensor.dataId)) return;
    const data = this.backend.tensorMap.get(tensor.dataId);
    if (data.values !== null) {
      recording.uploadingOutside = true;
      try {
        upload.call(this.backend, [tensor]);
      } finally {
        recording.uploadingOutside = false;
      }
    }
    this.outside.set(data.id, tensor.dataId);
  }

  private replace<Target extends object, Name extends keyof Target>(target: Target, name: Name, replacement: Target[Name]): void {
    const own = Object.getOwnPropertyDescriptor(target, name);
    target[name] = replacement;
    this.undo.push(() => {
      if (own === undefined) delete target[name];
      else Object.defineProperty(target, name, own);
    });
  }
}
