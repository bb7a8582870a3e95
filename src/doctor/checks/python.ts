/** Owns: Python and pip, which fetch TensorFlow once and are not needed afterwards. */
import type { Check, Finding } from '../check.js';

export const python: Check = {
  name: 'python',
  async find({ machine }): Promise<Finding[]> {
    const version = /Python (\S+)/.exec(machine.run('python3', ['--version'])?.out ?? '')?.[1] ?? null;
    const why = version === null ? 'python3 is not installed' : machine.whyNoPip();
    const figures = { version, pip: why === undefined };
    if (why === undefined) return [{ status: 'ok', found: `Python ${version} with pip`, figures }];
    const present = await machine.tensorflow().then(
      () => true,
      () => false,
    );
    if (present) return [{ status: 'ok', found: `${why}; nothing needs it, as TensorFlow is here`, figures }];
    return [
      {
        status: 'problem',
        found: why,
        means: 'TensorFlow is not here, and pip would fetch it.',
        next: 'Install Python 3 with pip (Debian, Ubuntu: sudo apt install python3-pip), or set TFJS_PARALLEL_TENSORFLOW to a TensorFlow package folder.',
        figures,
      },
    ];
  },
};
