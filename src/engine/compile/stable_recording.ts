/**
 * Owns: recording a function until two recordings agree, for XLA where it is asked for and may be, and the first values of variables that it makes.
 * Does not: cache what was recorded, or check it again at later calls (compile.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { EngineParts } from '../backend/engine_parts.js';
import { GraphFunction } from './graph_function.js';
import { kernelBackend, type KernelBackend } from '../backend/kernel_backend.js';
import { agree, difference, record, type ArgumentSpec, type Recorded } from './record.js';
import { RecordError, userLine } from './record_error.js';
import { againstXla, XlaRefused, type XlaUse } from '../lowering/xla.js';

/** Recordings until two must agree: the first may make variables, the second meet what the first cached. */
const MAX_RECORDINGS = 3;

export interface ToRecord {
  readonly name: string;
  readonly fn: (...args: never[]) => unknown;
  readonly spec: ArgumentSpec;
  readonly inputs: readonly tfjs.Tensor[];
  readonly verify: boolean;
}

/** @throws XlaRefused */
export function recordFor(engine: EngineParts, asked: ToRecord, xla: XlaUse | undefined): Recorded {
  if (xla === undefined) return recordUntilStable(engine, asked, false);
  const recorded = recordUntilStable(engine, asked, true);
  const reason = againstXla(recorded.recording);
  if (reason === null) return recorded;
  recorded.recording.dispose();
  if (xla === 'required') throw new XlaRefused(asked.name, reason);
  return recordUntilStable(engine, asked, false);
}

function recordUntilStable(engine: EngineParts, { name, fn, spec, inputs, verify }: ToRecord, forXla: boolean): Recorded {
  let latest = record(engine, name, fn, spec, forXla);
  const { created } = latest;
  try {
    if (created.length > 0) initialize(engine, name, latest, inputs);
    else if (!verify) return latest;
    for (let count = 2; ; count++) {
      const before = latest;
      latest = record(engine, name, fn, spec, forXla);
      before.recording.dispose();
      if (latest.created.length > 0) throw makesVariables([...created, ...latest.created], latest.created[0]);
      if (agree(before, latest) || (!verify && count === 2)) return latest;
      if (count === MAX_RECORDINGS) throw difference(before, latest, 'every time it is recorded');
    }
  } catch (error) {
    latest.recording.dispose();
    throw error;
  }
}

function makesVariables(all: Recorded['created'], { variable, site }: Recorded['created'][number]): RecordError {
  for (const made of all) made.variable.dispose();
  return new RecordError(
    'RECORD_VARIABLE',
    'variable',
    userLine(site),
    `The function makes a new variable (${variable.name}) in every call`,
    'Make variables once, outside of the function or on its first call only.',
  );
}

/** Gives the variables that a first recording made (an optimizer's slots) their first values, computed from the arguments. */
function initialize(engine: EngineParts, name: string, recorded: Recorded, inputs: readonly tfjs.Tensor[]): void {
  const pending = recorded.created.flatMap(({ variable, value }) => (value === undefined ? [] : [{ variable, value }]));
  if (pending.length === 0) return;
  const backend = kernelBackend();
  const graphFunction = new GraphFunction(
    engine,
    recorded.recording,
    `${name}_variables`,
    pending.map(({ value }) => value),
  );
  try {
    graphFunction.call(inputIds(backend, recorded, inputs)).forEach((output, index) => {
      const value = backend.createOutputTensor(output);
      const { variable } = pending[index];
      variable.assign(value as tfjs.Tensor<typeof variable.rankType>);
      value.dispose();
    });
  } finally {
    graphFunction.dispose();
  }
}

/** Of a call's arguments, then of what the function captured. */
export function inputIds(backend: KernelBackend, { sources }: Recorded, args: readonly tfjs.Tensor[]): number[] {
  const captured = sources.map((source) =>
    source.kind === 'variable' ? backend.getInputTensorIds([source.variable])[0] : backend.tensorMap.get(source.dataId).id,
  );
  return [...backend.getInputTensorIds(args), ...captured];
}
