import { resolve } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { buildSync } from 'esbuild';
import { expect, it } from 'vitest';
import type { syntheticDigits } from '../../src/data/sources/synthetic.js';

/** The drawing of digits as code of a `node:vm` context, as Jest runs it, that counts how often it looks at the global `Math`. */
function inContext() {
  const { outputFiles } = buildSync({
    stdin: {
      contents: "export { syntheticDigits } from './src/data/sources/synthetic.ts'",
      resolveDir: resolve('.'),
      loader: 'ts',
    },
    ...{ bundle: true, platform: 'node', format: 'iife', globalName: 'drawing', write: false, logLevel: 'silent' },
  });
  let looks = 0;
  const sandbox = { require: process.getBuiltinModule, SharedArrayBuffer, Buffer };
  Object.defineProperty(sandbox, 'Math', { get: () => ((looks += 1), Math), configurable: true });
  const context = createContext(sandbox);
  runInContext(`(function () { ${outputFiles[0].text}; globalThis.draw = drawing.syntheticDigits; })()`, context);
  return { draw: (context as { draw: typeof syntheticDigits }).draw, looks: () => looks };
}

// There a look at a global costs a hundred times the arithmetic: 24,000 digits took over a minute.
it('digits are drawn without a look at globals for each pixel, and the same as in this realm', async () => {
  const { draw, looks } = inContext();
  await draw({ seed: 1, train: 1, validation: 1 });
  const before = looks();
  const { train, sha256 } = await draw({ seed: 1, train: 20, validation: 1 });
  // Once a slice of the hash, not 784 times a digit.
  expect(looks() - before).toBeLessThan(10);
  const { syntheticDigits: here } = await import('../../src/data/sources/synthetic.js');
  const plain = await here({ seed: 1, train: 20, validation: 1 });
  expect([...train.inputs.x]).toEqual([...plain.train.inputs.x]);
  expect(sha256).toBe(plain.sha256);
});
