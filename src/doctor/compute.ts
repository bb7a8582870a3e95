/**
 * Owns: the two seconds of computing on one device, in a process of their own: whatever native code does there ends that process and not this one.
 * Does not: compute (compute_process.ts).
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { builtFile } from '../system/package_file.js';

export interface ComputeRequest {
  /** `CPU:0`, `GPU:1`. */
  readonly device: string;
  /** Of TensorFlow's library. */
  readonly folder: string;
  /** Each is measured for an equal part of the time. */
  readonly threads: readonly number[];
  readonly computeMs: number;
}

export interface Computed {
  readonly kind: 'computed';
  readonly tensorflow: string;
  readonly deviceModel: string;
  readonly oneDnn: 'on' | 'off' | 'unknown';
  readonly oneDnnIsa: string;
  /** Until TensorFlow was open. */
  readonly openMs: number;
  /** 10⁹ float32 additions and multiplications a second, of matrix products. */
  readonly rates: readonly { readonly threads: number; readonly gflops: number }[];
  /** Each product was the same, and that of whole numbers as JavaScript has it. */
  readonly right: boolean;
}

export type ComputeResult =
  | Computed
  /** TensorFlow or the engine said why. */
  | { readonly kind: 'refused'; readonly message: string; readonly next: string }
  | { readonly kind: 'died'; readonly signal: string | null; readonly code: number | null; readonly lastWords: string }
  | { readonly kind: 'hung'; readonly afterMs: number };

/** What compute_process.ts sends. */
export type ComputeMessage = Extract<ComputeResult, { kind: 'computed' | 'refused' }>;

const PATIENCE_MS = 180_000;
const WORDS = 2_000;

/** `program` is another one for tests. */
export function compute(
  request: ComputeRequest,
  { program = fileURLToPath(builtFile('doctor/compute_process.js')), patienceMs = PATIENCE_MS } = {},
): Promise<ComputeResult> {
  const child = fork(program, [JSON.stringify(request)], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [] });
  let words = '';
  let told: ComputeMessage | null = null;
  let hung = false;
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-WORDS)));
  child.on('message', (message) => (told = message as ComputeMessage));
  const timer = setTimeout(() => {
    hung = true;
    child.kill('SIGKILL');
  }, patienceMs);
  return new Promise((resolve) => {
    const died = (signal: string | null, code: number | null, lastWords: string): void => {
      clearTimeout(timer);
      if (hung) return resolve({ kind: 'hung', afterMs: patienceMs });
      resolve(told !== null && code === 0 ? told : { kind: 'died', signal, code, lastWords });
    };
    child.once('error', ({ message }) => died(null, null, message));
    child.once('close', (code, signal) => died(signal, code, words.trim().split('\n').slice(-3).join(' ')));
  });
}
