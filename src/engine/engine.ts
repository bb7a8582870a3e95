/**
 * Owns: the engine as a user sees it: TensorFlow under the tfjs instance that the user imports, with tfjs-node's kernels (their JavaScript is
 * bundled into vendor/ by scripts/build.mjs). Does not: find the library (tensorflow_library.ts) or know training.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './backend/tfjs.js';
import { EnvironmentError, UsageError } from '../common/errors.js';
import { builtFile } from '../system/package_file.js';
import { keepFreedMemory } from './tensorflow/allocator.js';
import { bfloat16Use } from './tensorflow/bfloat16_use.js';
import { Binding } from './backend/binding.js';
import { openCApi, type CApi } from './capi/c_api.js';
import { compile, type CompiledFunction, type CompileOptions } from './compile/compile.js';
import { compileLoop, type CompiledLoop } from './compile/compile_loop.js';
import type { ContextConfig } from './capi/config_proto.js';
import { Context, type Device } from './capi/context.js';
import { setNativeDefaults, withNativeDefault } from './capi/ffi.js';
import { opsLeftToProcessor } from './backend/gpu_ops.js';
import { findGpus } from './tensorflow/gpus.js';
import { instructionSet, oneDnnHasBfloat16 } from './tensorflow/instruction_set.js';
import { registerFileHandlers } from './backend/file_handlers.js';
import { fixKernels } from './backend/kernel_fixes.js';
import { refuseHeldBfloat16, refuseRoundedFloat32 } from './lowering/kept_precision.js';
import { BACKEND_NAME } from './backend/kernel_backend.js';
import { withoutLoadNotes } from './tensorflow/quiet_load.js';
import { findTensorFlow } from './tensorflow/tensorflow_library.js';
import { oneDnnCeiling, oneDnnUse, wantsOneDnn, type OneDnnUse } from './tensorflow/one_dnn.js';
import { computesProducts } from './lowering/convolution_products.js';
import { padsProducts } from './lowering/padded_products.js';
import { winogradFrom } from './lowering/winograd.js';
import { installTrainingOps } from './ops/training_ops.js';

export interface EngineOptions extends ContextConfig {
  /** `GPU:1`, `/CPU:0`, ...: where ops run. Default: the first GPU, else the processor. */
  device?: string;
  /** The folder of libtensorflow_cc, as `ensureTensorFlow` gives it. Default: the one that is found. */
  folder?: string;
  /**
   * Asks for the same bits on every run of a GPU, at some speed: deterministic kernels, no autotuning, no TF32. Settings of the whole process,
   * read when TensorFlow is opened first; variables that the user has set stay. Without effect on processors, which are deterministic.
   */
  deterministicGpu?: boolean;
}

/** tensorflow/core/util/determinism.cc, xla/stream_executor/cuda/cuda_dnn.cc; NVIDIA_TF32_OVERRIDE is cuBLAS's and cuDNN's own. */
const DETERMINISTIC_GPU = {
  TF_DETERMINISTIC_OPS: '1',
  TF_CUDNN_DETERMINISTIC: '1',
  TF_CUDNN_USE_AUTOTUNE: '0',
  NVIDIA_TF32_OVERRIDE: '0',
} as const;

export interface EngineInfo {
  tensorflowVersion: string;
  /** `CPU:0`, `GPU:1`, ... */
  device: string;
  deviceModel: string;
  /** The vector instructions that the processor has, e.g. `x64 avx2+fma`: part of the numerics class, as are the next two. */
  instructionSet: string;
  /** Whether TensorFlow computes with oneDNN's kernels, as it says itself. */
  oneDnn: OneDnnUse;
  /** The instruction set that oneDNN is held to below what the processor has, e.g. `AVX2`; empty where to none. */
  oneDnnIsa: string;
  /** Memory that a step frees is kept for the next one, as we asked of the C library; it changes no bits. */
  memoryKept: boolean;
}

export interface Engine {
  /** The tfjs instance it was installed under: the one that `import '@tensorflow/tfjs'` gives. */
  readonly tf: typeof tf;
  readonly binding: Binding;
  readonly context: Context;
  readonly devices: readonly Device[];
  readonly info: EngineInfo;
  /** Records `fn` once per kind of arguments and runs it as one TensorFlow function from then on (compile.ts). */
  compile<A extends unknown[], R>(fn: (...args: A) => R, options?: CompileOptions): CompiledFunction<A, R>;
  /** Runs `body` several times in one call of TensorFlow (compile_loop.ts). */
  compileLoop<State, Fixed>(
    body: (index: tfjs.Scalar, state: State, fixed: Fixed) => State,
    options: { readonly name: string },
  ): CompiledLoop<State, Fixed>;
  /** TensorFlow tensors held by JavaScript now; exact. */
  liveHandles(): number;
  /** Frees every tensor and the context, and takes the backend out of tfjs. */
  dispose(): void;
}

interface VendorKernels {
  NodeJSKernelBackend: new (binding: Binding, packageName: string) => tfjs.KernelBackend;
}

let installed: { engine: Engine; options: string } | undefined;

/**
 * Opens TensorFlow in this thread, registers it with tfjs and makes it the current backend. A second call with the same options gives the
 * same engine.
 * @throws EnvironmentError BF16_FAILS, FLOAT32_ROUNDED where variables of oneDNN's are in the way of the precision
 */
export function installEngine(options: EngineOptions = {}): Engine {
  const key = JSON.stringify(options, Object.keys(options).sort());
  if (installed !== undefined) {
    if (installed.options === key) return installed.engine;
    throw new UsageError({
      code: 'ENGINE_ALREADY_INSTALLED',
      message: `An engine is installed in this thread with ${installed.options}; asked now: ${key}`,
      next: 'Call dispose() on the first one, or install the second in a worker thread.',
    });
  }
  const kernels = loadKernels();
  if (options.deterministicGpu) setNativeDefaults(DETERMINISTIC_GPU);
  const open = (): { api: CApi; oneDnn: OneDnnUse } => {
    const api = openCApi(options.folder ?? findTensorFlow().folder);
    return { api, oneDnn: oneDnnUse(api) };
  };
  const memoryKept = !(options.device?.includes('GPU') ?? false) && keepFreedMemory();
  const { api, oneDnn } = wantsOneDnn(options) ? withNativeDefault('TF_ENABLE_ONEDNN_OPTS', '1', open) : open();
  const oneDnnIsa = oneDnnCeiling();
  refuseHeldBfloat16({ precision: options.precision, oneDnn, level: oneDnnIsa, hasBfloat16: oneDnnHasBfloat16() });
  const { precision = 'fp32' } = options;
  const multiplies = { precision, oneDnn, ceiling: oneDnnIsa };
  const convolvesByProducts = computesProducts(multiplies);
  const context = openContext(api, {
    ...options,
    bfloat16: precision === 'bf16' ? bfloat16Use(oneDnn) : null,
    convolvesByProducts,
    padsProducts: padsProducts(multiplies),
    winogradFrom: winogradFrom({ precision, oneDnn, convolvesByProducts }),
  });
  const binding = new Binding(context);
  tf.registerBackend(BACKEND_NAME, () => new kernels.NodeJSKernelBackend(binding, '@tensorflow/tfjs-node-gpu'), 3);
  // tfjs types this as a promise; with a synchronous factory the backend is current on return, as tfjs-node relies on too.
  void tf.setBackend(BACKEND_NAME);
  installTrainingOps();
  const engine: Engine = {
    tf,
    binding,
    context,
    devices: context.devices,
    info: {
      tensorflowVersion: binding.TF_Version,
      device: context.device.name,
      deviceModel: deviceModel(context.device),
      instructionSet: instructionSet(),
      oneDnn,
      oneDnnIsa,
      memoryKept,
    },
    compile: (fn, options) => compile(engine, fn, options),
    compileLoop: (body, options) => compileLoop(engine, body, options),
    liveHandles: () => binding.handles.count,
    dispose: () => {
      if (installed?.engine !== engine) return;
      installed = undefined;
      tf.removeBackend(BACKEND_NAME);
      binding.dispose();
    },
  };
  installed = { engine, options: key };
  try {
    if (context.device.type === 'CPU') refuseRoundedFloat32();
  } catch (error) {
    engine.dispose();
    throw error;
  }
  return engine;
}

function openContext(
  api: CApi,
  options: EngineOptions & Pick<Context, 'bfloat16' | 'convolvesByProducts' | 'padsProducts' | 'winogradFrom'>,
): Context {
  const open = (): Context => new Context(api, { ...options, opsLeftToProcessor: opsLeftToProcessor(options) });
  // That there is no GPU is news where one is asked for, or listed by its driver.
  if (options.device?.includes('GPU') ?? findGpus().gpus.length > 0) return open();
  const opened: Context[] = [];
  withoutLoadNotes(() => void opened.push(open()));
  return opened[0];
}

/** The engine installed in this thread. */
export function installedEngine(): Engine {
  if (installed !== undefined) return installed.engine;
  throw new UsageError({
    code: 'ENGINE_NOT_INSTALLED',
    message: 'No engine is installed in this thread',
    next: "Call installEngine() from 'tfjs-parallel/engine' first.",
  });
}

let loaded: VendorKernels | undefined;

/** Once per thread: kernels stay registered with tfjs. */
function loadKernels(): VendorKernels {
  if (loaded !== undefined) return loaded;
  const path = fileURLToPath(builtFile('vendor/tfjs_node_kernels.cjs'));
  if (!existsSync(path)) {
    throw new EnvironmentError({ code: 'NOT_BUILT', message: `${path} is missing`, next: 'Run: npm run build' });
  }
  const kernels = createRequire(import.meta.url)(path) as VendorKernels;
  fixKernels();
  registerFileHandlers(tf);
  loaded = kernels;
  return kernels;
}

function deviceModel(device: Device): string {
  if (device.type === 'CPU') return cpus()[0]?.model.trim() ?? process.arch;
  const index = Number(device.name.split(':')[1]);
  return findGpus().gpus.find((gpu) => gpu.index === index)?.model ?? device.type;
}
