/** Owns: limits that the shell, or who started it, has set for each process (ulimit), and the folder for temporary files. */
import { LIMITS } from '../../common/limits.js';
import type { Check, Finding } from '../check.js';
import { gigabytes } from '../words.js';

/** TensorFlow's library, its threads' stacks and WebAssembly's reservations. */
const ADDRESSES_BYTES = 32e9;
/** Node, TensorFlow and data; a coordinator has a connection for each worker besides. */
const FILES = 256;

export const limits: Check = {
  name: 'ulimits',
  async find({ machine }): Promise<Finding[]> {
    const text = machine.read('/proc/self/limits') ?? '';
    const soft = (name: string): number => {
      const value = new RegExp(`^Max ${name}\\s+(\\S+)`, 'm').exec(text)?.[1];
      return value === undefined || value === 'unlimited' ? Infinity : Number(value);
    };
    const [addresses, files, cpu, size] = [soft('address space'), soft('open files'), soft('cpu time'), soft('file size')];
    const shown = (value: number): number | null => (Number.isFinite(value) ? value : null);
    const figures = {
      open_files: shown(files),
      address_space_bytes: shown(addresses),
      cpu_seconds: shown(cpu),
      file_bytes: shown(size),
    };
    const found: Finding[] = [];
    if (addresses < ADDRESSES_BYTES)
      found.push({
        status: 'problem',
        found: `addresses are limited to ${gigabytes(addresses)} (ulimit -v)`,
        means: 'TensorFlow and WebAssembly reserve many more than they use, and cannot be loaded.',
        next: 'Run `ulimit -v unlimited` before; limit memory with a control group, or --max-memory of a worker.',
        figures,
      });
    if (files < FILES)
      found.push({
        status: 'problem',
        found: `at most ${files} files may be open (ulimit -n)`,
        means: 'Node and TensorFlow alone take some hundred.',
        next: 'Run `ulimit -n 4096` before.',
        figures,
      });
    else if (files < 2 * (LIMITS.maxSessions + LIMITS.maxStrangers))
      found.push({
        status: 'note',
        found: `at most ${files} files may be open (ulimit -n)`,
        means: `Enough to train and to work; a coordinator may have ${LIMITS.maxSessions} workers and as many strangers at its door.`,
        next: 'Run `ulimit -n 4096` before a coordinator of many workers.',
        figures,
      });
    if (Number.isFinite(cpu))
      found.push({
        status: 'note',
        found: `a process may compute for ${cpu} s (ulimit -t)`,
        means: 'Threads count together. At its end a run saves and stops with code 75, and continues with --resume.',
        figures,
      });
    if (Number.isFinite(size))
      found.push({
        status: 'note',
        found: `files may have ${gigabytes(size)} (ulimit -f)`,
        means: 'A state holds the weights and as much again for each slot of the optimizer.',
        figures,
      });
    const problem = await machine.temporaryFolderProblem();
    if (problem !== '')
      found.push({
        status: 'note',
        name: 'temporary',
        found: problem,
        means: 'Nothing needs it but the hiding of what TensorFlow says while it is loaded.',
        next: 'Set TMPDIR to a folder that can be written.',
      });
    if (found.length > 0) return found;
    return [
      { status: 'ok', found: `${Number.isFinite(files) ? files : 'any number of'} open files, addresses unlimited`, figures },
    ];
  },
};
