/** Owns: which TensorFlow a run would take, and where from. Opens nothing: `compute` does. */
import { ExpectedError } from '../../common/errors.js';
import { distributionFor, TENSORFLOW_VERSION } from '../../engine/tensorflow/wheels.js';
import type { Check, Finding, Place } from '../check.js';
import { gigabytes } from '../words.js';

export const tensorflow: Check = {
  name: 'tensorflow',
  async find({ machine }): Promise<Finding[]> {
    const cards = machine.gpus().gpus.length;
    try {
      const { folder, version, kind } = await machine.tensorflow();
      const build = kind === 'cuda' ? 'CUDA build' : 'CPU build';
      const figures = { version, kind, folder, from: await sourceOf(machine, folder) };
      const found = `${version}, ${build}, ${figures.from}: ${folder}`;
      if (cards === 0 || kind === 'cuda') return [{ status: 'ok', found, figures }];
      return [
        {
          status: 'problem',
          found,
          means: `This machine has GPUs, and a CPU build uses none of them.`,
          next: 'Unset TFJS_PARALLEL_TENSORFLOW to have the CUDA build fetched, or point it at a TensorFlow with the nvidia packages beside it.',
          figures,
        },
      ];
    } catch (error) {
      if (!(error instanceof ExpectedError) || error.code !== 'TENSORFLOW_NOT_FOUND') throw error;
      // What the user named holds none: nothing is fetched in its place.
      if ((machine.environment.TFJS_PARALLEL_TENSORFLOW ?? '') !== '') throw error;
      const { wheels, installedBytes } = distributionFor(machine.platform, cards > 0 ? 'cuda' : 'cpu');
      const bytes = wheels.reduce((sum, wheel) => sum + wheel.bytes, 0);
      return [
        {
          status: 'note',
          found: `TensorFlow ${TENSORFLOW_VERSION} is not here yet`,
          means: `The first command that needs it fetches ${gigabytes(bytes)} with pip, once (${gigabytes(installedBytes)} unpacked).`,
          next: 'Run `npx tfjs-parallel bench --steps 1 --gpus none` to have it fetched now.',
          figures: { version: null, fetch_bytes: bytes },
        },
      ];
    }
  },
};

async function sourceOf(machine: Place['machine'], folder: string): Promise<string> {
  if ((machine.environment.TFJS_PARALLEL_TENSORFLOW ?? '') !== '') return 'named by TFJS_PARALLEL_TENSORFLOW';
  return folder.startsWith(`${await machine.cacheFolder()}/`) ? 'from our cache' : "Python's own";
}
