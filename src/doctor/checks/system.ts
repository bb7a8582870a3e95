/** Owns: the operating system: whether there is a TensorFlow for it at all. */
import { ExpectedError } from '../../common/errors.js';
import { distributionFor } from '../../engine/tensorflow/wheels.js';
import type { Check, Finding } from '../check.js';

export const system: Check = {
  name: 'system',
  find({ machine }): Finding[] {
    const { platform, arch, glibcVersion } = machine.platform;
    const name = /^PRETTY_NAME="?([^"\n]+)/m.exec(machine.read('/etc/os-release') ?? '')?.[1] ?? platform;
    const windows = /microsoft/i.test(machine.read('/proc/version') ?? '');
    const shown = `${name} on ${arch}${glibcVersion === undefined ? '' : `, glibc ${glibcVersion}`}${windows ? ', in WSL' : ''}`;
    const figures = { platform, arch, glibc: glibcVersion ?? null };
    try {
      distributionFor(machine.platform, 'cpu');
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      return [{ status: 'problem', found: shown, means: `${error.message}.`, next: error.next, figures }];
    }
    if (platform === 'linux' && arch === 'x64') return [{ status: 'ok', found: shown, figures }];
    return [{ status: 'note', found: shown, means: 'The tests run on Linux x64; here the same code is untested.', figures }];
  },
};
