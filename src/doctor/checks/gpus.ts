/** Owns: NVIDIA's GPUs: which there are, what driver they have, who uses them, how they are joined; or why none can be used. */
import type { Check, Finding, Place } from '../check.js';
import { gigabytes } from '../words.js';

type Machine = Place['machine'];

/** CUDA 12 on Linux (NVIDIA's CUDA compatibility guide, "minor version compatibility"). */
const LEAST_DRIVER = [525, 60];
/** TensorFlow 2.18 and later carry kernels from Pascal on (its release notes). */
const LEAST_CAPABILITY = 6;
/** Of a card's memory that others have. */
const TAKEN = 0.1;

export const gpus: Check = {
  name: 'gpus',
  find({ machine }): Finding[] {
    const { gpus: found, reason } = machine.gpus();
    if (found.length === 0) return [withoutGpus(machine, reason)];
    const cards = queried(machine);
    const cuda = /CUDA Version:\s*([\d.]+)/.exec(machine.run('nvidia-smi', [])?.out ?? '')?.[1] ?? null;
    const findings = found.map(({ index, model, uuid }) =>
      judged({ name: `gpu(${index})`, model, card: cards.find((card) => card.uuid === uuid), cuda }),
    );
    return found.length > 1 ? [...findings, ...topology(machine)] : findings;
  },
};

const NVIDIA = '0x10de';
const DISPLAY_CLASS = /^0x03/;

function withoutGpus(machine: Machine, reason: string): Finding {
  const visible = machine.environment.CUDA_VISIBLE_DEVICES;
  const folder = '/sys/bus/pci/devices';
  const cards = machine.entries(folder).filter((entry) => {
    const value = (name: string): string => machine.read(`${folder}/${entry}/${name}`)?.trim() ?? '';
    return value('vendor') === NVIDIA && DISPLAY_CLASS.test(value('class'));
  }).length;
  const driver = machine.read('/proc/driver/nvidia/version') !== null;
  const figures = { gpus: 0, nvidia_cards: cards, driver };
  const found = `none: ${reason}`;
  if (visible !== undefined && /CUDA_VISIBLE_DEVICES/.test(reason))
    return {
      status: /^(-1)?$/.test(visible.trim()) ? 'note' : 'problem',
      found,
      means: 'Training is on the CPU.',
      next: 'Unset CUDA_VISIBLE_DEVICES, or name GPUs that exist.',
      figures,
    };
  if (driver && /not installed/.test(reason))
    return {
      status: 'problem',
      found: 'none: the driver is loaded, and nvidia-smi is not here',
      means: 'This is a container that was not given the GPUs of its machine.',
      next: 'Start it with them: docker run --gpus all, or resources.limits of nvidia.com/gpu; the NVIDIA Container Toolkit passes them in.',
      figures,
    };
  if (driver || cards > 0)
    return {
      status: 'problem',
      found,
      means: driver ? 'The driver is loaded, and does not answer.' : 'There is an NVIDIA card, and no driver for it.',
      next: driver
        ? 'Run `nvidia-smi`: after an update of the driver restart the machine; with a card that fell off the bus, too.'
        : "Install NVIDIA's driver, 525.60 or newer, and restart the machine.",
      figures,
    };
  return { status: 'ok', found, means: 'Training is on the CPU.', figures };
}

interface Card {
  readonly uuid: string;
  readonly driver: string;
  readonly memoryBytes: number;
  readonly takenBytes: number;
  readonly capability: number;
  readonly busyPercent: number;
  readonly badMemory: number;
}

const FIELDS = [
  ...['uuid', 'driver_version', 'memory.total', 'memory.used', 'compute_cap', 'utilization.gpu'],
  'ecc.errors.uncorrected.volatile.total',
];
const MIB = 2 ** 20;

/** None where nvidia-smi is too old for one of the fields. What does not apply (`[N/A]`) is no number. */
function queried(machine: Machine): Card[] {
  const answer = machine.run('nvidia-smi', [`--query-gpu=${FIELDS.join(',')}`, '--format=csv,noheader,nounits']);
  if (answer?.status !== 0) return [];
  return answer.out.split('\n').flatMap((line) => {
    const [uuid, driver, total, used, capability, busy, bad] = line.split(',').map((field) => field.trim());
    if (bad === undefined) return [];
    const facts = { memoryBytes: Number(total) * MIB, takenBytes: Number(used) * MIB, capability: Number(capability) };
    return [{ uuid, driver, ...facts, busyPercent: Number(busy), badMemory: Number(bad) }];
  });
}

function judged({ name, model, card, cuda }: { name: string; model: string; card?: Card; cuda: string | null }): Finding {
  if (card === undefined) return { status: 'ok', name, found: model, figures: { model } };
  const { driver, memoryBytes, takenBytes, capability, busyPercent, badMemory } = card;
  const taken = takenBytes / memoryBytes;
  const found = [
    model,
    Number.isFinite(memoryBytes) ? gigabytes(memoryBytes) : '',
    `driver ${driver}${cuda === null ? '' : ` (CUDA ${cuda})`}`,
    Number.isFinite(capability) ? `compute capability ${capability.toFixed(1)}` : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
  const figures = {
    ...{ model, driver, cuda, memory_bytes: known(memoryBytes), taken_bytes: known(takenBytes) },
    ...{ compute_capability: known(capability), busy_percent: known(busyPercent), uncorrected_errors: known(badMemory) },
  };
  const [major, minor] = driver.split('.').map(Number);
  if (major < LEAST_DRIVER[0] || (major === LEAST_DRIVER[0] && minor < LEAST_DRIVER[1]))
    return {
      ...{ status: 'problem', name, found, figures },
      means: `TensorFlow's CUDA 12 needs driver ${LEAST_DRIVER.join('.')} or newer.`,
      next: "Install a newer driver of NVIDIA's, and restart the machine.",
    };
  if (capability < LEAST_CAPABILITY)
    return {
      ...{ status: 'problem', name, found, figures },
      means: 'TensorFlow has no kernels for a card so old (6.0 and newer).',
      next: 'Train on the CPU with --gpus none, or on another card.',
    };
  if (badMemory > 0)
    return {
      ...{
        status: 'problem',
        name,
        found: `${found}, ${badMemory} uncorrected memory errors since the driver was loaded`,
        figures,
      },
      means: 'What it computed may be wrong.',
      next: 'Reset the card or restart the machine; if errors come again, have it replaced.',
    };
  if (taken > TAKEN || busyPercent > 10)
    return {
      ...{ status: 'note', name, figures },
      found: `${found}; ${gigabytes(takenBytes)} taken, ${busyPercent} % busy`,
      means: 'Others use it: there is less memory, and steps take longer.',
      next: 'See who with `nvidia-smi`; choose other cards with --gpus.',
    };
  return { status: 'ok', name, found, figures };
}

const known = (value: number): number | null => (Number.isFinite(value) ? value : null);

const LINKS: Readonly<Record<string, string>> = {
  PIX: 'one PCIe switch',
  PXB: 'several PCIe switches',
  PHB: "the processor's PCIe bridge",
  NODE: 'several bridges of one socket',
  SYS: 'the link between sockets',
};

/** Of `nvidia-smi topo -m`: a matrix with the cards' own columns first, in nvidia-smi's numbers. */
function topology(machine: Machine): Finding[] {
  const out = machine.run('nvidia-smi', ['topo', '-m'])?.out ?? '';
  // Its header is underlined.
  const rows = out
    .replace(/\u001b\[\d*m/gu, '')
    .split('\n')
    .map((line) => line.split('\t').map((cell) => cell.trim()));
  const columns = rows.find((row) => row.includes('GPU0') && row[0] === '') ?? [];
  const pairs = new Map<string, string[]>();
  for (const row of rows)
    columns.forEach((column, at) => {
      if (!/^GPU\d+$/.test(row[0]) || !/^GPU\d+$/.test(column) || Number(column.slice(3)) <= Number(row[0].slice(3))) return;
      pairs.set(row[at], [...(pairs.get(row[at]) ?? []), `${row[0].slice(3)}–${column.slice(3)}`]);
    });
  if (pairs.size === 0) return [];
  const found = [...pairs].map(([link, list]) => {
    const by = /^NV\d+$/.test(link) ? `NVLink (${link})` : (LINKS[link] ?? link);
    return `${list.length > 4 ? `${list.length} pairs` : `cards ${list.join(', ')}`} by ${by}`;
  });
  return [
    {
      status: 'ok',
      name: 'topology',
      found: found.join('; '),
      means: "Gradients meet in the host's memory, so each card's way there (PCIe) counts.",
      figures: Object.fromEntries([...pairs].map(([link, list]) => [link.toLowerCase(), list.join(' ')])),
    },
  ];
}
