/** Owns: the folder that TensorFlow and data sets are kept in. */
import { distributionFor } from '../../engine/tensorflow/wheels.js';
import type { Check, Finding } from '../check.js';
import { gigabytes } from '../words.js';

/** Some data sets, and a file that is being unpacked. */
const ROOM_BYTES = 1e9;
const NETWORK = /^(nfs4?|cifs|smb3?|9p|fuse\.sshfs|lustre|ceph|glusterfs|beegfs)$/;

export const cache: Check = {
  name: 'cache',
  async find({ machine }): Promise<Finding[]> {
    const folder = await machine.cacheFolder();
    const { exists, writable, freeBytes } = machine.folder(folder);
    const mount = mountOf(machine.read('/proc/self/mounts') ?? '', folder);
    const figures = { folder, free_bytes: freeBytes, writable, file_system: mount?.type ?? null };
    const found = `${folder}, ${gigabytes(freeBytes)} free`;
    const present = await machine.tensorflow().then(
      () => true,
      () => false,
    );
    const elsewhere = 'Set TFJS_PARALLEL_CACHE to another folder.';
    if (!writable)
      return [
        {
          status: present ? 'note' : 'problem',
          found: `${folder} cannot be ${exists ? 'written' : 'made'}`,
          means: present ? 'TensorFlow is here; data sets cannot be kept.' : 'Neither TensorFlow nor data sets can be kept.',
          next: elsewhere,
          figures,
        },
      ];
    if (mount?.options.includes('noexec') === true)
      return [{ status: 'problem', found: `${found}, on a disk that may not run programs (noexec)`, next: elsewhere, figures }];
    const needed = present ? ROOM_BYTES : neededFor(machine.gpus().gpus.length > 0 ? 'cuda' : 'cpu');
    if (freeBytes < needed)
      return [
        {
          status: present ? 'note' : 'problem',
          found,
          means: present ? 'There may be no room for data sets.' : `TensorFlow takes ${gigabytes(needed)} while it is fetched.`,
          next: 'Free space there, or set TFJS_PARALLEL_CACHE to a folder on another disk.',
          figures,
        },
      ];
    if (NETWORK.test(mount?.type ?? ''))
      return [
        {
          status: 'note',
          found: `${found}, over the network (${mount?.type})`,
          means: 'Loading TensorFlow takes as long as reading 0.5 GB from there.',
          figures,
        },
      ];
    return [{ status: 'ok', found, figures }];

    function neededFor(kind: 'cpu' | 'cuda'): number {
      const { installedBytes, wheels } = distributionFor(machine.platform, kind);
      return installedBytes + Math.max(...wheels.map(({ bytes }) => bytes));
    }
  },
};

/** Of /proc/self/mounts, the one that holds the path; spaces are octal there. */
function mountOf(mounts: string, path: string): { type: string; options: string[] } | undefined {
  const rows = mounts.split('\n').flatMap((line) => {
    const [, point, type, options] = line.split(' ');
    return options === undefined ? [] : [{ point: point.replaceAll('\\040', ' '), type, options: options.split(',') }];
  });
  const holding = rows.filter(({ point }) => path === point || path.startsWith(point === '/' ? '/' : `${point}/`));
  // A later mount at the same point covers an earlier one.
  return holding.reduce<(typeof rows)[number] | undefined>(
    (best, row) => (best === undefined || row.point.length >= best.point.length ? row : best),
    undefined,
  );
}
