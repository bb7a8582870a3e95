/** Owns: the use and memory of this machine's GPUs by the name of their replica, asked once a second at most. Does not: know NVML (src/system/nvml.ts). */
import type { GpuLoad, Nvml } from '../system/nvml.js';

const ASKED_MS = 1_000;

export class GpuLoads {
  readonly #told = new Map<string, { readonly atMs: number; readonly load: GpuLoad | null }>();

  constructor(
    private readonly nvml: Pick<Nvml, 'load'>,
    private readonly now: () => number,
  ) {}

  /** `GPU  87 %  12.3 of 80.0 GB` for `gpu(0)`; empty for other names, and where nothing is known. */
  wordsFor(replica: string): string {
    const [, index] = /^gpu\((\d+)\)$/.exec(replica) ?? [];
    const load = index === undefined ? null : this.#load(replica, Number(index));
    if (load === null) return '';
    const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
    const use = load.use === null ? '' : `GPU ${`${Math.round(100 * load.use)} %`.padStart(5)}  `;
    return `${use}${gigabytes(load.usedBytes)} of ${gigabytes(load.totalBytes)} GB`;
  }

  #load(replica: string, index: number): GpuLoad | null {
    const known = this.#told.get(replica);
    if (known !== undefined && this.now() - known.atMs < ASKED_MS) return known.load;
    const load = this.nvml.load(index);
    this.#told.set(replica, { atMs: this.now(), load });
    return load;
  }
}
