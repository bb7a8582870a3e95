import { describe, expect, it } from 'vitest';
import { encodeConfigProto, type ContextConfig } from '../../../src/engine/capi/config_proto.js';

const hex = (config: ContextConfig): string => Buffer.from(encodeConfigProto(config)).toString('hex');

/** By hand from TensorFlow's config.proto: field number · 8 + wire type, then the value. */
describe('ConfigProto', () => {
  const growth = '32022001'; // gpu_options (6) { allow_growth (4): true }
  const softPlacement = '3801'; // allow_soft_placement (7): true
  // graph_options (10) { rewrite_options (10) { constant_folding (3): OFF (2), arithmetic_optimization (7): OFF } }
  const exact = '52065204' + '1802' + '3802';

  it('asks by default for memory growth, soft placement and arithmetic as it is written', () => {
    expect(hex({})).toBe(growth + softPlacement + exact);
  });

  it('holds the numbers of threads', () => {
    expect(hex({ intraOpThreads: 1, interOpThreads: 1 })).toBe('1001' + '2801' + growth + softPlacement + exact);
  });

  it('holds the number of logical processors', () => {
    expect(hex({ logicalCpuDevices: 2 })).toBe('0a070a034350551002' + growth + softPlacement + exact);
  });

  it('leaves mixed precision off: what is bfloat16 is told by each op', () => {
    expect(hex({ precision: 'bf16' })).toBe(hex({ precision: 'fp32' }));
  });

  it('may go without memory growth: false is what an absent field means', () => {
    expect(hex({ gpuMemoryGrowth: false })).toBe('3200' + softPlacement + exact);
  });
});
