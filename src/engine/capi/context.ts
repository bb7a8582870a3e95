/**
 * Owns: one TensorFlow context, the devices it sees and the one its ops run on. Does not: execute (op_executor.ts) or hold tensors (handles.ts).
 */
import { availableParallelism } from 'node:os';
import { EnvironmentError } from '../../common/errors.js';
import type { Bfloat16Use } from '../tensorflow/bfloat16_use.js';
import type { CApi, Pointer } from './c_api.js';
import { encodeConfigProto, type ContextConfig } from './config_proto.js';
import { Status } from './status.js';

export interface Device {
  /** As users write it: `CPU:0`, `GPU:1`. */
  name: string;
  /** As TensorFlow writes it: `/job:localhost/replica:0/task:0/device:GPU:1`. */
  fullName: string;
  type: string;
  memoryBytes: number;
}

export class Context {
  readonly pointer: Pointer;
  readonly status: Status;
  readonly devices: readonly Device[];
  /** Where ops run: the device asked for, else the first GPU, else the processor. */
  readonly device: Device;
  /** True if ops must name the device, because TensorFlow alone would choose another. */
  readonly placesOps: boolean;
  /** Of a GPU: ops that run on the processor instead (gpu_ops.ts), and the processor's full name. */
  readonly elsewhere: { readonly ops: ReadonlySet<string>; readonly device: string } | null;
  /** Asked for, of graph functions; eager ops are float32. */
  readonly precision: 'fp32' | 'bf16';
  /** How graph functions compute in bfloat16; null where they do not. */
  readonly bfloat16: Bfloat16Use | null;
  /** Some convolutions are computed as products of matrices in graph functions (convolution_products.ts). */
  readonly convolvesByProducts: boolean;
  /** Some products of matrices are computed with more columns in graph functions (padded_products.ts). */
  readonly padsProducts: boolean;
  /** Threads that one op may use; of 0 TensorFlow makes one for each core. */
  readonly threads: number;
  /** Products of a convolution from which on it may be computed by minimal filtering where ops become loops (winograd.ts). */
  readonly winogradFrom: number;
  /** Element-wise ops may be loops of XLA's, which were measured on x64 and Linux alone. */
  readonly fuses: boolean;
  /** The serialized ConfigProto this context was made with. */
  readonly configProto: Uint8Array;
  /** The same for functions that TensorFlow takes as they are recorded. */
  readonly asRecordedProto: Uint8Array;

  constructor(
    readonly api: CApi,
    options: ContextConfig & {
      device?: string;
      opsLeftToProcessor?: ReadonlySet<string>;
      bfloat16?: Bfloat16Use | null;
      convolvesByProducts?: boolean;
      padsProducts?: boolean;
      winogradFrom?: number;
    },
  ) {
    this.status = new Status(api);
    this.configProto = encodeConfigProto(options);
    this.asRecordedProto = encodeConfigProto(options, { asRecorded: true });
    this.precision = options.precision ?? 'fp32';
    this.bfloat16 = options.bfloat16 ?? null;
    this.pointer = this.create();
    this.devices = this.listDevices();
    const device = options.device === undefined ? defaultDevice(this.devices) : findDevice(this.devices, options.device);
    if (device === undefined) {
      this.delete();
      throw noSuchDevice(options.device ?? 'CPU:0', this.devices);
    }
    if (options.precision === 'bf16' && device.type !== 'CPU') {
      this.delete();
      throw bf16NeedsProcessor(device);
    }
    this.device = device;
    this.convolvesByProducts = device.type === 'CPU' && options.convolvesByProducts === true;
    this.padsProducts = device.type === 'CPU' && options.padsProducts === true;
    this.threads = options.intraOpThreads || availableParallelism();
    this.fuses = device.type === 'CPU' && process.platform === 'linux' && process.arch === 'x64';
    this.winogradFrom = this.fuses ? (options.winogradFrom ?? Infinity) : Infinity;
    const processor = this.devices.find(({ type }) => type === 'CPU');
    const ops = options.opsLeftToProcessor ?? new Set();
    this.elsewhere =
      processor === undefined || device === processor || ops.size === 0 ? null : { ops, device: processor.fullName };
    this.placesOps = options.device !== undefined && this.devices.length > 1;
  }

  /** False once it was deleted: using its pointer would crash the process. */
  alive = true;

  delete(): void {
    this.alive = false;
    this.api.TFE_DeleteContext(this.pointer);
    this.status.delete();
  }

  private create(): Pointer {
    const { api, status } = this;
    const contextOptions = api.TFE_NewContextOptions();
    try {
      api.TFE_ContextOptionsSetConfig(contextOptions, this.configProto, this.configProto.length, status.pointer);
      status.check('reading the context options');
      return status.checked(api.TFE_NewContext(contextOptions, status.pointer), 'making a TensorFlow context');
    } finally {
      api.TFE_DeleteContextOptions(contextOptions);
    }
  }

  private listDevices(): Device[] {
    const { api, status } = this;
    const list = status.checked(api.TFE_ContextListDevices(this.pointer, status.pointer), 'listing devices');
    try {
      return Array.from({ length: api.TF_DeviceListCount(list) }, (_, index) => {
        const fullName = api.TF_DeviceListName(list, index, status.pointer);
        return {
          name: fullName.slice(fullName.indexOf('/device:') + '/device:'.length),
          fullName,
          type: api.TF_DeviceListType(list, index, status.pointer),
          memoryBytes: api.TF_DeviceListMemoryBytes(list, index, status.pointer),
        };
      });
    } finally {
      api.TF_DeleteDeviceList(list);
    }
  }
}

/** `/GPU:1`, `GPU:1`, `gpu:1` and TensorFlow's full names all mean the same device. */
function findDevice(devices: readonly Device[], asked: string): Device | undefined {
  const short = asked
    .replace(/^.*\/device:/i, '')
    .replace(/^\//, '')
    .toUpperCase();
  return devices.find((device) => device.name.toUpperCase() === short);
}

function defaultDevice(devices: readonly Device[]): Device | undefined {
  return devices.find((device) => device.type === 'GPU') ?? devices.find((device) => device.type === 'CPU');
}

function noSuchDevice(asked: string, devices: readonly Device[]): EnvironmentError {
  return new EnvironmentError({
    code: 'NO_SUCH_DEVICE',
    message: `There is no device ${asked}; TensorFlow sees ${devices.map((device) => device.name).join(', ')}`,
    next: 'Name one of these devices.',
  });
}

/** What is bfloat16 on a processor is chosen by what its kernels do well; of a GPU's nothing was seen. */
function bf16NeedsProcessor(device: Device): EnvironmentError {
  return new EnvironmentError({
    code: 'BF16_NEEDS_PROCESSOR',
    message: `precision bf16 is for processors; ${device.name} would compute in float32`,
    next: 'Use precision fp32 on GPUs.',
  });
}
