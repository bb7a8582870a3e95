import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GpuLoads } from '../../src/report/gpu_loads.js';
import { Nvml } from '../../src/system/nvml.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const hasCompiler = spawnSync('cc', ['--version'], { stdio: 'ignore' }).status === 0;
if (!hasCompiler) console.warn('gpu_loads.test.ts: NVML skipped: no cc to make a library that stands for it');

/** Two cards by the signatures of nvml.h: the second does not tell its utilization. */
const SOURCE = `
#include <string.h>
static int cards[2];
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) { if (index > 1) return 2; *device = &cards[index]; return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) { if (strcmp(uuid, "GPU-b")) return 6; *device = &cards[1]; return 0; }
int nvmlDeviceGetUtilizationRates(void *device, struct { unsigned int gpu, memory; } *rates) {
  if (device != &cards[0]) return 3;
  rates->gpu = 87; rates->memory = 12; return 0;
}
int nvmlDeviceGetMemoryInfo(void *device, struct { unsigned long long total, free, used; } *memory) {
  memory->total = 80000000000ull; memory->used = device == &cards[0] ? 12300000000ull : 1; memory->free = memory->total - memory->used; return 0;
}
`;

describe.skipIf(!hasCompiler)('a library with the functions of NVML', () => {
  const made = async (source = SOURCE): Promise<string> => {
    const folder = await temporaryFolder({ 'nvml.c': source });
    const library = join(folder, 'libnvidia-ml.so.1');
    execFileSync('cc', ['-shared', '-fPIC', '-w', '-o', library, join(folder, 'nvml.c')]);
    return library;
  };

  it('tells use and memory of a card by its index, or by its name in CUDA_VISIBLE_DEVICES', async () => {
    const library = await made();
    const all = Nvml.open({ library, visible: undefined });
    expect(all?.load(0)).toEqual({ use: 0.87, usedBytes: 12_300_000_000, totalBytes: 80_000_000_000 });
    expect(all?.load(1)).toEqual({ use: null, usedBytes: 1, totalBytes: 80_000_000_000 });
    expect(all?.load(2)).toBeNull();
    const some = Nvml.open({ library, visible: '1, GPU-b,0,GPU-c,MIG-d' });
    expect([0, 1, 2, 3, 4, 5].map((index) => some?.load(index)?.usedBytes)).toEqual([
      1,
      1,
      12_300_000_000,
      undefined,
      undefined,
      undefined,
    ]);
    all?.close();
    some?.close();
  });

  it('is left alone where it does not start, or is another', async () => {
    expect(Nvml.open({ library: await made('int nvmlInit_v2(void) { return 9; }'), visible: undefined })).toBeNull();
    expect(Nvml.open({ library: await made(SOURCE.replace('return 0', 'return 9')), visible: undefined })).toBeNull();
    expect(Nvml.open({ library: '/nowhere/libnvidia-ml.so.1', visible: undefined })).toBeNull();
  });
});

it('asks once a second for this machine’s GPUs, and for nobody else', () => {
  const asked: number[] = [];
  let nowMs = 0;
  const nvml = {
    load(index: number) {
      asked.push(index);
      return index === 0 ? { use: 0.871, usedBytes: 12_340_000_000, totalBytes: 80_000_000_000 } : null;
    },
  };
  const loads = new GpuLoads(nvml, () => nowMs);
  expect(loads.wordsFor('gpu(0)')).toBe('GPU  87 %  12.3 of 80.0 GB');
  expect(['gpu(1)', 'cpu(0)', 'b:gpu(0)'].map((name) => loads.wordsFor(name))).toEqual(['', '', '']);
  nowMs = 999;
  loads.wordsFor('gpu(0)');
  loads.wordsFor('gpu(1)');
  expect(asked).toEqual([0, 1]);
  nowMs = 1000;
  loads.wordsFor('gpu(0)');
  expect(asked).toEqual([0, 1, 0]);
});
