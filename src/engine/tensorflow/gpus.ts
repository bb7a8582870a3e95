/**
 * Owns: which NVIDIA GPUs this process may use, asked of the driver's own tool, without opening TensorFlow.
 * Does not: use them. Indices are those within CUDA_VISIBLE_DEVICES, as TensorFlow numbers them.
 */
import { execFileSync } from 'node:child_process';

interface Gpu {
  /** Within CUDA_VISIBLE_DEVICES. */
  readonly index: number;
  /** `NVIDIA H100 80GB HBM3`. */
  readonly model: string;
  /** `GPU-3f2a…`; of a slice `MIG-…`. */
  readonly uuid?: string;
}

export interface GpuSearch {
  readonly gpus: readonly Gpu[];
  /** Why there is none; empty where there are some. */
  readonly reason: string;
}

const QUERY_TIMEOUT_MS = 20_000;

/** Runs `nvidia-smi -L`. Never throws: a machine without a driver has no GPUs, with the reason. */
export function findGpus(environment: NodeJS.ProcessEnv = process.env): GpuSearch {
  let listing: string;
  try {
    listing = execFileSync('nvidia-smi', ['-L'], {
      encoding: 'utf8',
      timeout: QUERY_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const said = (error as { stderr?: string }).stderr?.trim().split('\n')[0];
    return {
      gpus: [],
      reason: missing
        ? 'nvidia-smi is not installed, so there is no NVIDIA driver'
        : `nvidia-smi failed: ${said || String(error)}`,
    };
  }
  const cards = parseListing(listing);
  const visible = environment.CUDA_VISIBLE_DEVICES;
  const gpus = enumerated(visible === undefined ? cards : visibleOnes(cards, visible)).map(({ model, uuid }, index) => ({
    index,
    model,
    uuid,
  }));
  if (gpus.length > 0) return { gpus, reason: '' };
  const reason =
    visible === undefined
      ? 'nvidia-smi lists no GPU'
      : `CUDA_VISIBLE_DEVICES is "${visible}", which names none of ${listed(cards)}`;
  return { gpus, reason };
}

interface Slice {
  model: string;
  /** `MIG-c6d4f1ef-…`; of drivers before R470 `MIG-GPU-5d5ba0d6-…/1/0`. */
  uuid: string;
}

interface Card extends Slice {
  /** Of a card that is cut into slices (MIG): it is used through one of them. */
  slices: Slice[];
}

/**
 * Lines such as `GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-3f2a…)`, and under a card that is cut into slices
 * `  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4…)`.
 */
function parseListing(listing: string): Card[] {
  const cards: Card[] = [];
  for (const line of listing.split('\n')) {
    const [, model, uuid] = /^GPU \d+: (.+?) \(UUID: ([^)]+)\)/.exec(line) ?? [];
    if (uuid !== undefined) cards.push({ model, uuid, slices: [] });
    const [, kind, sliceUuid] = /^\s+(MIG \S+)\s+Device\s+\d+:\s+\(UUID: ([^)]+)\)/.exec(line) ?? [];
    const card = cards.at(-1);
    if (sliceUuid !== undefined && card !== undefined) card.slices.push({ model: `${card.model} ${kind}`, uuid: sliceUuid });
  }
  return cards;
}

type Device = Card | Slice;

/** CUDA's rule: numbers, or beginnings of UUIDs that only one device has, in the order given; the first invalid one hides the rest. */
function visibleOnes(cards: readonly Card[], visible: string): Device[] {
  const chosen: Device[] = [];
  for (const item of visible.split(',').map((part) => part.trim())) {
    const device = /^\d+$/.test(item) ? cards[Number(item)] : named(cards, item);
    if (device === undefined || chosen.includes(device)) break;
    chosen.push(device);
  }
  return chosen;
}

function named(cards: readonly Card[], item: string): Device | undefined {
  if (item === '') return undefined;
  const candidates: Device[] = item.startsWith('MIG-') ? cards.flatMap(({ slices }) => slices) : [...cards];
  const matching = candidates.filter(({ uuid }) => uuid.startsWith(item));
  if (matching.length > 0) return matching.length === 1 ? matching[0] : undefined;
  // The older form, MIG-<GPU-UUID>/<GPU instance>/<compute instance>: newer drivers take it, and list slices by UUIDs of their own.
  const [, cardUuid] = /^MIG-(GPU-[0-9a-f-]+)\/\d+\/\d+$/.exec(item) ?? [];
  return cards.find(({ uuid }) => uuid === cardUuid)?.slices[0];
}

/** CUDA gives a process one slice and then no other device; it takes the first where a card that is cut is named as a whole. */
function enumerated(devices: readonly Device[]): readonly Device[] {
  for (const device of devices) {
    if (!('slices' in device)) return [device];
    if (device.slices.length > 0) return [device.slices[0]];
  }
  return devices;
}

function listed(cards: readonly Card[]): string {
  const names = cards.flatMap(({ uuid, slices }, index) => [`${index} (${uuid})`, ...slices.map((slice) => slice.uuid)]);
  return names.length === 0 ? 'the GPUs of this machine, as there are none' : names.join(', ');
}
