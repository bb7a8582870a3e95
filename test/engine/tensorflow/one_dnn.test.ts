/** What TensorFlow does with oneDNN, and that the probe's bits show it: in processes of their own, because both are settled once in each. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { oneDnnCeiling, wantsOneDnn } from '../../../src/engine/tensorflow/one_dnn.js';

interface Probed {
  oneDnn: string;
  oneDnnIsa: string;
  eager: string;
  compiled: string;
  inherited: string | null;
}

async function probed(environment: Record<string, string>, precision = 'fp32'): Promise<Probed> {
  const script = fileURLToPath(new URL('../../support/probe_process.mjs', import.meta.url));
  const { ONEDNN_MAX_CPU_ISA: _, TF_ENABLE_ONEDNN_OPTS: __, ...rest } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, [script, precision], { env: { ...rest, ...environment } });
  return JSON.parse(stdout) as Probed;
}

describe.skipIf(process.arch !== 'x64')('the probe of the arithmetic', () => {
  it('is the same in each process, and another with oneDNN switched over or held down, recorded or not', async () => {
    const off = await probed({ TF_ENABLE_ONEDNN_OPTS: '0' });
    expect(off).toMatchObject({ oneDnn: 'off', oneDnnIsa: '' });
    expect(await probed({ TF_ENABLE_ONEDNN_OPTS: '0' })).toEqual(off);
    const on = await probed({ TF_ENABLE_ONEDNN_OPTS: '1' });
    expect(on).toMatchObject({ oneDnn: 'on', oneDnnIsa: '', inherited: '1' });
    // XLA computes what lies between products otherwise.
    const byXla = await probed({ TF_ENABLE_ONEDNN_OPTS: '1', TF_XLA_FLAGS: '--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit' });
    expect(byXla.eager).toBe(on.eager);
    expect(byXla.compiled).not.toBe(on.compiled);
    // On everywhere unless told otherwise, and nothing of that is left to the programs that this one starts.
    expect(await probed({})).toEqual({ ...on, inherited: null });
    // With oneDNN off the matrix products are its own all the same: every x64 processor that runs TensorFlow has AVX.
    const held = await probed({ TF_ENABLE_ONEDNN_OPTS: '0', ONEDNN_MAX_CPU_ISA: 'SSE41' });
    expect(held).toMatchObject({ oneDnn: 'off', oneDnnIsa: 'SSE41' });
    const hashes = [off, on, held];
    expect(new Set(hashes.map(({ eager }) => eager)).size).toBe(3);
    expect(new Set(hashes.map(({ compiled }) => compiled)).size).toBe(3);
    for (const hash of hashes.flatMap(({ eager, compiled }) => [eager, compiled])) expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('oneDNN is turned on by us', () => {
  it.each([
    ['where TensorFlow would leave it off', 'x64 avx2+fma', {}, true],
    ['on AVX-512 without instructions for neural networks too', 'x64 avx2+fma+avx512f', { device: 'CPU:0' }, true],
    ['not where TensorFlow does', 'x64 avx2+fma+avx512f+avx512_vnni', {}, false],
    ['not for bf16', 'x64 avx2+fma', { precision: 'bf16' }, false],
    ['not beside a GPU', 'x64 avx2+fma', { device: 'GPU:0' }, false],
    ['not where the processor is not known', 'x64', {}, false],
    ['not on Arm', 'arm64 asimd+bf16', {}, false],
  ] as const)('%s', (_, instructions, options, wanted) => expect(wantsOneDnn(options, instructions)).toBe(wanted));
});

describe.skipIf(process.arch !== 'x64')('the instruction set that oneDNN is held to', () => {
  const avx2 = 'flags\t\t: avx avx2 fma\n';
  const avx512 = 'flags\t\t: avx avx2 fma avx512f avx512_vnni avx512_bf16\n';
  it.each([
    ['nothing was asked', {}, avx512, ''],
    ['it is below what there is', { ONEDNN_MAX_CPU_ISA: 'AVX2' }, avx512, 'AVX2'],
    ['it is all there is', { ONEDNN_MAX_CPU_ISA: 'AVX2' }, avx2, ''],
    ['it is above what there is', { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_AMX' }, avx2, ''],
    ['it is the highest that this processor has', { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_BF16' }, avx512, ''],
    ['it is one step down', { ONEDNN_MAX_CPU_ISA: 'avx512_core_vnni' }, avx512, 'AVX512_CORE_VNNI'],
    ['it goes by its older name', { DNNL_MAX_CPU_ISA: 'AVX' }, avx2, 'AVX'],
    ['oneDNN does not know it', { ONEDNN_MAX_CPU_ISA: 'AVX9' }, avx512, ''],
    ['it is all', { ONEDNN_MAX_CPU_ISA: 'ALL' }, avx512, ''],
  ])('where %s', (_, environment, cpuinfo, wanted) => expect(oneDnnCeiling(environment, cpuinfo)).toBe(wanted));
});
