/** Engines whose precision a variable of oneDNN's would change: in processes of their own, because oneDNN reads them once in each. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { refuseHeldBfloat16 } from '../../../src/engine/lowering/kept_precision.js';

interface Ended {
  /** `null` where a signal ended it. */
  code: number | null;
  /** Of both ways to compute; empty where there was no engine. */
  probe: string[];
  error: string;
}

async function probed(environment: Record<string, string>, precision = 'fp32'): Promise<Ended> {
  const script = fileURLToPath(new URL('../../support/probe_process.mjs', import.meta.url));
  const { ONEDNN_MAX_CPU_ISA: _, ONEDNN_DEFAULT_FPMATH_MODE: __, ...rest } = process.env;
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [script, precision], { env: { ...rest, ...environment } });
    const { eager, compiled } = JSON.parse(stdout) as { eager: string; compiled: string };
    return { code: 0, probe: [eager, compiled], error: '' };
  } catch (error) {
    const { code, stderr } = error as { code?: number | null; stderr?: string };
    return { code: code ?? null, probe: [], error: stderr ?? String(error) };
  }
}

describe('bf16 where oneDNN is held below it', () => {
  const held = { precision: 'bf16', oneDnn: 'on', level: 'AVX2', hasBfloat16: true } as const;
  it.each(['SSE41', 'AVX', 'AVX2', 'AVX2_VNNI', 'AVX2_VNNI_2'])('is refused for %s', (level) =>
    expect(() => refuseHeldBfloat16({ ...held, level })).toThrow(expect.objectContaining({ code: 'BF16_FAILS', exitCode: 3 })),
  );
  it.each([
    ['fp32', { precision: 'fp32' }],
    ['oneDNN switched off: everything is float32', { oneDnn: 'off' }],
    ['a processor that TensorFlow knows to have none', { hasBfloat16: false }],
    ['AVX-512', { level: 'AVX512_CORE' }],
    ['no level', { level: '' }],
  ] as const)('is not, for %s', (_, changed) => expect(() => refuseHeldBfloat16({ ...held, ...changed })).not.toThrow());

  it('ends no process by a signal', async () => {
    const { code, error } = await probed({ ONEDNN_MAX_CPU_ISA: 'AVX2' }, 'bf16');
    expect(code, error).not.toBe(null);
    if (code !== 0) expect(error).toContain('BF16_FAILS');
  });
});

describe('float32', () => {
  it.each(['ONEDNN_DEFAULT_FPMATH_MODE', 'DNNL_DEFAULT_FPMATH_MODE', 'TF_SET_ONEDNN_FPMATH_MODE'])(
    'has the bits that it has without %s, or is refused by that name',
    async (name) => {
      const { probe } = await probed({});
      expect(probe).toHaveLength(2);
      const rounded = await probed({ [name]: 'BF16' });
      if (rounded.code === 0) expect(rounded.probe).toEqual(probe);
      else expect(rounded.error).toMatch(new RegExp(`FLOAT32_ROUNDED[^]*${name}|${name}=BF16[^]*FLOAT32_ROUNDED`));
    },
  );
});
