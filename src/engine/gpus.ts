/**
 * Owns: which NVIDIA GPUs this process may use, asked of the driver's own tool, without opening TensorFlow.
 * Does not: use them. Indices are those within CUDA_VISIBLE_DEVICES, as TensorFlow numbers them.
 */
import { execFileSync } from 'node:child_process';

export interface Gpu {
  /** Within CUDA_VISIBLE_DEVICES. */
  readonly index: number;
  /** `NVIDIA H100 80GB HBM3`. */
  readonly model: string;
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
  if (visible === undefined)
    return {
      gpus: cards.map(({ model }, index) => ({ index, model })),
      reason: cards.length > 0 ? '' : 'nvidia-smi lists no GPU',
    };
  const chosen = visibleCards(cards, visible);
  return {
    gpus: chosen.map(({ model }, index) => ({ index, model })),
    reason: chosen.length > 0 ? '' : `CUDA_VISIBLE_DEVICES is "${visible}" and hides all ${cards.length} GPUs`,
  };
}

interface Card {
  model: string;
  uuid: string;
}

/** Lines such as `GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-3f2a…)`. */
function parseListing(listing: string): Card[] {
  return [...listing.matchAll(/^GPU (\d+): (.+?) \(UUID: ([^)]+)\)/gm)].map(([, , model, uuid]) => ({ model, uuid }));
}

/** CUDA's rule: numbers or UUID prefixes in the order given; the first invalid one hides the rest. */
function visibleCards(cards: readonly Card[], visible: string): Card[] {
  const chosen: Card[] = [];
  for (const item of visible.split(',').map((part) => part.trim())) {
    const card = /^\d+$/.test(item) ? cards[Number(item)] : cards.find(({ uuid }) => item !== '' && uuid.startsWith(item));
    if (!card) break;
    chosen.push(card);
  }
  return chosen;
}
