/**
 * Owns: the ConfigProto a context is made with (tensorflow/core/protobuf/config.proto and rewriter_config.proto), encoded by protobufjs.
 * Does not: know devices' names or make contexts (context.ts).
 */
import protobuf from 'protobufjs/light.js';

export interface ContextConfig {
  /** Threads inside one op; each context has its own. Default: one per core. */
  intraOpThreads?: number;
  /** Ops of a graph function that may run at once. */
  interOpThreads?: number;
  /** `/CPU:0` to `/CPU:n-1` on the one processor. */
  logicalCpuDevices?: number;
  /** Take GPU memory as it is needed, not all at once. Default: true, since several contexts may share a GPU. */
  gpuMemoryGrowth?: boolean;
  /** bf16: products of compiled functions, and what lies between them, in bfloat16, on processors only; eager ops stay in float32. */
  precision?: 'fp32' | 'bf16';
}

/** RewriterConfig.Toggle */
const TOGGLE_OFF = 2;

/**
 * These two rewrite a function's arithmetic as if numbers were real: (1 − d) + 1e-8 as (1 + 1e-8) − d, x · 1e30 · 1e-30 as x, log(1 + x) as log1p(x),
 * log(softmax(x)) as one op, x / 3 as x · 0.333, argMax(relu(x)) as argMax(x). A compiled function is to give what the function gives.
 * What they would save is saved by others: equal nodes are still joined, convolutions still take their biases and activations in.
 */
const REWRITES_OFF = { constantFolding: TOGGLE_OFF, arithmeticOptimization: TOGGLE_OFF } as const;

/** The fields used, under their names and numbers in TensorFlow's .proto files. */
const root = protobuf.Root.fromJSON({
  nested: {
    GPUOptions: { fields: { allowGrowth: { type: 'bool', id: 4 } } },
    RewriterConfig: {
      fields: {
        constantFolding: { type: 'int32', id: 3 },
        arithmeticOptimization: { type: 'int32', id: 7 },
        disableMetaOptimizer: { type: 'bool', id: 19 },
      },
    },
    GraphOptions: { fields: { rewriteOptions: { type: 'RewriterConfig', id: 10 } } },
    ConfigProto: {
      fields: {
        deviceCount: { keyType: 'string', type: 'int32', id: 1 } as protobuf.IMapField,
        intraOpParallelismThreads: { type: 'int32', id: 2 },
        interOpParallelismThreads: { type: 'int32', id: 5 },
        gpuOptions: { type: 'GPUOptions', id: 6 },
        allowSoftPlacement: { type: 'bool', id: 7 },
        graphOptions: { type: 'GraphOptions', id: 10 },
      },
    },
  },
});
const ConfigProto = root.lookupType('ConfigProto');

/** Serialized ConfigProto: for `TFE_ContextOptionsSetConfig`, and as the `config_proto` attribute of a function call. `asRecorded`: TensorFlow rewrites nothing in that function. */
export function encodeConfigProto(config: ContextConfig, { asRecorded = false } = {}): Uint8Array {
  const message: Record<string, unknown> = {
    // An op without a kernel for the chosen GPU (strings, some int32 ones) runs on the processor. Wrong device names are refused by us.
    allowSoftPlacement: true,
    gpuOptions: { allowGrowth: config.gpuMemoryGrowth ?? true },
    graphOptions: {
      rewriteOptions: {
        ...REWRITES_OFF,
        ...(asRecorded && { disableMetaOptimizer: true }),
      },
    },
  };
  if (config.intraOpThreads !== undefined) message.intraOpParallelismThreads = config.intraOpThreads;
  if (config.interOpThreads !== undefined) message.interOpParallelismThreads = config.interOpThreads;
  if (config.logicalCpuDevices !== undefined) message.deviceCount = { CPU: config.logicalCpuDevices };
  return ConfigProto.encode(ConfigProto.create(message)).finish();
}
