/**
 * Owns: which test files share a process with others: starting one, and TensorFlow in it, costs more than most of their tests. Each opens what it needs and lets
 * go of it; those stay alone that change the process (variables, clocks), measure its memory or count its handles, and those that start processes of their own.
 */
import { existsSync, readdirSync } from 'node:fs';

const ROOMS = 'common coordinator data doctor engine golden models objective optimizers report transport worker'.split(' ');

/** Of these rooms. */
const ALONE = {
  'variables, clocks or the console are changed': [
    'coordinator/planes/exact/fleet/process_clock',
    'data/other_realm',
    'data/sources/columns',
    'data/sources/images',
    'data/sources/npz',
    'engine/backend/peer',
    'engine/tensorflow/tensorflow_library',
    'report/files/report_folder',
    'report/panel',
    'transport/probe',
  ],
  'memory is measured, handles are counted': [
    'coordinator/planes/exact/resident_weights',
    'coordinator/planes/exact/resident_xla',
    'coordinator/planes/exact/stretches',
    'coordinator/storage/state/safetensors',
    'coordinator/storage/state/state_fuzz',
    'engine/tensorflow/allocator',
    'engine/compile/compile_model',
    'engine/capi/devices',
    'engine/engine',
    'engine/compile/compile_loop',
    'engine/compile/traps',
    'engine/compile/traps_harmless',
    'engine/backend/upload_in_place',
    'models/weight_budget',
    'transport/carried_messages',
    'transport/link',
    'worker/augment/augment',
    'worker/replica/host_bits',
    'worker/replica/memory',
    'worker/replica/packing',
    'worker/replica/resident_memory',
  ],
  'all layers that are registered are listed': ['models/allowed_layers'],
  'threads and processes are started': [
    'coordinator/killed_process',
    'coordinator/power_cut',
    'data/load',
    'data/sources/synthetic',
    'engine/tensorflow/fetch',
    'engine/tensorflow/one_dnn',
    'engine/backend/pack',
    'engine/tensorflow/quiet_load',
    'engine/backend/worker_threads',
  ],
};

const alone = new Set(Object.values(ALONE).flat());
for (const name of alone)
  if (!existsSync(`test/${name}.test.ts`)) throw new Error(`test/support/sharing_files.ts names ${name}, which is gone`);

/** Paths from the project's folder. */
export const SHARING: readonly string[] = ROOMS.flatMap((room) =>
  readdirSync(`test/${room}`, { recursive: true, encoding: 'utf8' })
    .map((name) => `${room}/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.test.ts') && !alone.has(name.slice(0, -'.test.ts'.length)))
    .map((name) => `test/${name}`),
);
