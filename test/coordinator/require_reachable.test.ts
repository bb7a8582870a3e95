import { expect, it } from 'vitest';
import { requireReachable } from '../../src/coordinator/require_reachable.js';

const ACCURACY = { name: 'val_acc', direction: 'max' } as const;

it.each([
  [{ target: 99.3, saveAbove: null }, 'target is 99.3, and the monitored value is val_acc, a fraction from 0 to 1'],
  [{ target: null, saveAbove: 95 }, 'save_above is 95, and the monitored value is val_acc, a fraction from 0 to 1'],
])('an accuracy in per cent is refused: %o', (config, message) => {
  expect(() => requireReachable(config, ACCURACY)).toThrow(message);
});

it('a fraction, none, and a loss above 1 are taken', () => {
  requireReachable({ target: 0.993, saveAbove: 1 }, ACCURACY);
  requireReachable({ target: null, saveAbove: null }, ACCURACY);
  requireReachable({ target: 2.5, saveAbove: 30 }, { name: 'val_loss', direction: 'min' });
});
