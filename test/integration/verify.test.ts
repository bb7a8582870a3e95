/**
 * Owns: `verify` of the built program on real replicas: passes for 2, 3 and 4 shards, and exits 1 where a model breaks the promise.
 */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runCli } from '../support/built_cli.js';
import { FEW_DIGITS, jsonLines, SMALL_CNN, testModelFile } from '../support/trained_run.js';

interface Verification {
  passed: boolean;
  shards: number;
  tensors: { name: string; relative: number }[];
  one_replica: { gradient_sha256: string };
  many_replicas: { replicas: number; gradient_sha256: string };
  largest_bit_difference: number;
}

function verify(model: string, shards: number, ...more: string[]): { code: number | null; report: Verification; out: string } {
  const flags = [
    '--data',
    FEW_DIGITS,
    '--batch',
    '61',
    '--gpus',
    'none',
    '--workers',
    '2',
    '--threads-per-worker',
    '1',
    '--reporter',
    'json',
    ...more,
  ];
  const { code, out, err } = runCli(['verify', '--model', model, '--shards', String(shards), ...flags]);
  if (out === '') throw new Error(err);
  return { code, report: jsonLines(out)[0] as unknown as Verification, out };
}

it.each([2, 3, 4])('the reference network, narrow, passes for %i shards of a batch of 61', (shards) => {
  const { code, report } = verify(SMALL_CNN, shards);
  expect(code).toBe(0);
  expect(report).toMatchObject({ passed: true, shards, many_replicas: { replicas: 2 }, largest_bit_difference: 0 });
  expect(report.tensors).toHaveLength(20);
  for (const { relative } of report.tensors) expect(relative).toBeLessThanOrEqual(1e-5);
  // Sums in another order are not the same bits: all zeros would mean that nothing was compared.
  expect(report.tensors.some(({ relative }) => relative > 0)).toBe(true);
  expect(report.one_replica.gradient_sha256).toBe(report.many_replicas.gradient_sha256);
});

it('in bf16 passes where sums differ by what rounding products explains: 4 · 7 products · 2^-8', () => {
  // Without this variable processors without AVX-512 would compute in float32.
  const oneDnn = process.env.TF_ENABLE_ONEDNN_OPTS;
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '1';
  try {
    const { code, report } = verify(SMALL_CNN, 2, '--precision', 'bf16');
    expect(code).toBe(0);
    expect(report).toMatchObject({ passed: true, tolerance: 28 / 256, largest_bit_difference: 0 });
  } finally {
    if (oneDnn === undefined) delete process.env.TF_ENABLE_ONEDNN_OPTS;
  }
});

it('a model of all random layers passes: what they draw depends on the example, and not on who computes', () => {
  const { code, report } = verify(testModelFile('random_layers'), 3);
  expect(code).toBe(0);
  expect(report).toMatchObject({ passed: true, largest_bit_difference: 0, many_replicas: { replicas: 2 } });
});

it('a model that mixes the examples it sees exits 1, and is still the same to the bit on any number of replicas', () => {
  const { code, report } = verify(testModelFile('batch_mean'), 2);
  expect(code).toBe(1);
  expect(report.passed).toBe(false);
  expect(report.tensors.find(({ name }) => name === 'hidden/kernel')?.relative).toBeGreaterThan(1e-2);
  expect(report.one_replica.gradient_sha256).toBe(report.many_replicas.gradient_sha256);
});

it('a model whose examples all but cancel each other passes: what is left is as far off as they are', () => {
  const data = fileURLToPath(new URL('../support/data/even_classes.mjs', import.meta.url));
  const { code, report } = verify(testModelFile('even_classes'), 5, '--data', data, '--batch', '64');
  expect(report).toMatchObject({ passed: true, largest_bit_difference: 0 });
  expect(code).toBe(0);
  expect(report.tensors.find(({ name }) => name.endsWith('/bias'))?.relative).toBeGreaterThan(0);
});
