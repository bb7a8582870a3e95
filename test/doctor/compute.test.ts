/**
 * Owns: computing in a process of its own: what it finds on this machine's processor, and how its end is told where native code ends it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compute } from '../../src/doctor/compute.js';
import { findTensorFlow } from '../../src/engine/tensorflow/tensorflow_library.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const REQUEST = { device: 'CPU:0', folder: '', threads: [1], computeMs: 1 };

it('multiplies rightly on this processor, by as many threads as it is told', async () => {
  const result = await compute({ ...REQUEST, folder: findTensorFlow().folder, threads: [1, 2], computeMs: 20 });
  expect(result).toMatchObject({ kind: 'computed', right: true, rates: [{ threads: 1 }, { threads: 2 }] });
  if (result.kind === 'computed') for (const { gflops } of result.rates) expect(gflops).toBeGreaterThan(0);
});

it('a device that is not there is refused with what to do', async () => {
  const result = await compute({ ...REQUEST, folder: findTensorFlow().folder, device: 'GPU:7' });
  expect(result).toMatchObject({ kind: 'refused', message: expect.stringContaining('GPU:7') as string });
});

describe('the end of the process is told, and ends nobody else', () => {
  const program = async (text: string): Promise<string> => {
    const path = join(await temporaryFolder(), 'program.cjs');
    writeFileSync(path, text);
    return path;
  };

  it.each([
    [
      'by a signal',
      "console.error('last words'); process.kill(process.pid, 'SIGILL'); setInterval(() => {}, 1000)",
      { signal: 'SIGILL', code: null, lastWords: 'last words' },
    ],
    ['by a code', 'process.exit(7)', { signal: null, code: 7, lastWords: '' }],
    ['without a word', '', { signal: null, code: 0, lastWords: '' }],
    ['after an answer', "process.send({ kind: 'computed' }, () => process.exit(9))", { signal: null, code: 9, lastWords: '' }],
  ])('%s', async (_, text, expected) => {
    expect(await compute(REQUEST, { program: await program(text) })).toEqual({ kind: 'died', ...expected });
  });

  it('as hanging, where it never answers', async () => {
    const result = await compute(REQUEST, { program: await program('setInterval(() => {}, 1000)'), patienceMs: 300 });
    expect(result).toEqual({ kind: 'hung', afterMs: 300 });
  });
});
