/** Owns: that the compiled step and the same step op by op train alike; their single steps are compared in test/golden and test/worker. */
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary_folder.js';
import { trained } from '../support/trained_run.js';

interface Epoch {
  readonly loss: number;
  readonly acc: number;
}

/** An epoch compiled and op by op. */
async function bothWays(examples: number, flags = ''): Promise<[Epoch, Epoch]> {
  const cwd = await temporaryFolder();
  const [compiled, opByOp] = ['', '--no-compile'].map((way): Epoch => {
    const where = '--gpus none --workers 2 --threads-per-worker 1 --reporter json';
    const size = `--train-limit ${examples} --validation-limit 500 --epochs 1 --batch 50`;
    const given = ['train --data synthetic', size, where, flags, way].filter((part) => part !== '');
    const { records } = trained(given.join(' '), { cwd });
    const { loss, acc } = records.find(({ type }) => type === 'epoch') as Record<string, number>;
    return { loss, acc };
  });
  return [compiled, opByOp];
}

describe('an epoch op by op', () => {
  // Rounding decides which of two nearly equal values a pool passes a gradient on to, and each step adds to what that changes: so few steps, and shards of which no
  // convolution is large enough for minimal filtering, whose roundings are ten times as large (test/engine/lowering/winograd.test.ts).
  it('of few steps ends where the compiled one does', async () => {
    const [compiled, opByOp] = await bothWays(250, '--shards 10');
    expect(Math.abs(opByOp.loss - compiled.loss) / compiled.loss).toBeLessThan(5e-3);
    expect(Math.abs(opByOp.acc - compiled.acc)).toBeLessThan(0.02);
  });

  it('learns as the compiled one does, with minimal filtering', async () => {
    const epochs = await bothWays(1000);
    for (const { acc, loss } of epochs) {
      expect(acc).toBeGreaterThan(0.5);
      // Of ten classes at random: ln 10.
      expect(loss).toBeLessThan(0.8 * Math.log(10));
    }
  });
});
