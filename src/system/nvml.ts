/**
 * Owns: how busy and how full NVIDIA GPUs are, asked of the driver's own library (NVML), where there is one.
 * Does not: say which GPUs a run may use (engine/tensorflow/gpus.ts).
 *
 * Names and structures: nvml.h of the NVIDIA driver, https://docs.nvidia.com/deploy/nvml-api.
 */
import koffi from 'koffi';

export interface GpuLoad {
  /** Share of the last moments in which it computed, 0 to 1; null where the card does not tell. */
  readonly use: number | null;
  readonly usedBytes: number;
  readonly totalBytes: number;
}

type Call = (...values: unknown[]) => number;

const LIBRARY = 'libnvidia-ml.so.1';
const SUCCESS = 0;

export class Nvml {
  /** Handles by index within CUDA_VISIBLE_DEVICES; null for one that NVML does not find. */
  readonly #handles = new Map<number, unknown>();

  private constructor(
    private readonly calls: Readonly<Record<'byIndex' | 'byUuid' | 'utilization' | 'memory' | 'shutdown', Call>>,
    private readonly visible: readonly string[] | null,
  ) {}

  /** Null where there is no NVML, or none that works. `visible`: CUDA_VISIBLE_DEVICES. */
  static open({ library = LIBRARY, visible }: { library?: string; visible: string | undefined }): Nvml | null {
    try {
      const opened = koffi.load(library);
      const device = koffi.pointer(koffi.opaque());
      const utilization = koffi.struct({ gpu: 'uint', memory: 'uint' });
      const memory = koffi.struct({ total: 'uint64', free: 'uint64', used: 'uint64' });
      const out = (type: ReturnType<typeof koffi.struct>) => koffi.out(koffi.pointer(type));
      const init = opened.func('nvmlInit_v2', 'int', []) as Call;
      const calls = {
        byIndex: opened.func('nvmlDeviceGetHandleByIndex_v2', 'int', ['uint', out(device)]) as Call,
        byUuid: opened.func('nvmlDeviceGetHandleByUUID', 'int', ['str', out(device)]) as Call,
        utilization: opened.func('nvmlDeviceGetUtilizationRates', 'int', [device, out(utilization)]) as Call,
        memory: opened.func('nvmlDeviceGetMemoryInfo', 'int', [device, out(memory)]) as Call,
        shutdown: opened.func('nvmlShutdown', 'int', []) as Call,
      };
      if (init() !== SUCCESS) return null;
      return new Nvml(calls, visible === undefined ? null : visible.split(',').map((item) => item.trim()));
    } catch {
      // No library, or one without these functions: a machine without a driver is no fault.
      return null;
    }
  }

  /** `index`: within CUDA_VISIBLE_DEVICES, as TensorFlow numbers them. Null where NVML does not tell. */
  load(index: number): GpuLoad | null {
    const handle = this.#handleOf(index);
    if (handle === null) return null;
    const [utilization, memory] = [{ gpu: 0 }, { total: 0, used: 0 }];
    if (this.calls.memory(handle, memory) !== SUCCESS) return null;
    const use = this.calls.utilization(handle, utilization) === SUCCESS ? utilization.gpu / 100 : null;
    return { use, usedBytes: Number(memory.used), totalBytes: Number(memory.total) };
  }

  close(): void {
    this.calls.shutdown();
  }

  #handleOf(index: number): unknown {
    if (!this.#handles.has(index)) this.#handles.set(index, this.#find(index));
    return this.#handles.get(index);
  }

  /** A slice of a card (MIG) has no utilization of its own, and is left out. */
  #find(index: number): unknown {
    const named = this.visible === null ? String(index) : this.visible[index];
    if (named === undefined || named.startsWith('MIG-')) return null;
    const found: unknown[] = [null];
    const status = /^\d+$/.test(named) ? this.calls.byIndex(Number(named), found) : this.calls.byUuid(named, found);
    return status === SUCCESS ? found[0] : null;
  }
}
