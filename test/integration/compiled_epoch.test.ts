/** Owns: that the compiled step and the same step op by op train alike over an epoch; their single steps are compared in test/golden and test/worker. */
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary_folder.js';
import { trained } from '../support/trained_run.js';

it('an epoch op by op ends where the compiled one does, in loss and in accuracy on both splits', async () => {
  const cwd = await temporaryFolder();
  const [compiled, opByOp] = ['--batch 50', '--batch 50 --no-compile'].map((flags) => {
    const where = '--gpus none --workers 2 --threads-per-worker 1 --reporter json';
    const size = '--train-limit 1000 --validation-limit 500 --epochs 1';
    const { records } = trained(`train --data synthetic ${size} ${where} ${flags}`, { cwd });
    const { loss, acc, val_acc: valAcc } = records.find(({ type }) => type === 'epoch') as Record<string, number>;
    return { loss, acc, valAcc };
  });
  expect(compiled.acc).toBeGreaterThan(0.5);
  expect(Math.abs(opByOp.loss - compiled.loss) / compiled.loss).toBeLessThan(1e-3);
  // Of 1,000 and 500 examples: rounding may turn over single ones.
  expect(Math.abs(opByOp.acc - compiled.acc)).toBeLessThan(0.005);
  expect(Math.abs(opByOp.valAcc - compiled.valAcc)).toBeLessThan(0.02);
});
