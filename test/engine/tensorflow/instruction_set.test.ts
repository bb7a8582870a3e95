import { describe, expect, it } from 'vitest';
import { instructionSet } from '../../../src/engine/tensorflow/instruction_set.js';

describe('the instruction set', () => {
  it('names the vector instructions that the processor has, from narrow to wide', () => {
    const cpuinfo =
      'processor\t: 0\nflags\t\t: fpu amx_bf16 avx2 avx512f fma sse2\nbugs\t\t: none\nprocessor\t: 1\nflags\t\t: fpu\n';
    expect(instructionSet(cpuinfo)).toBe(`${process.arch} avx2+fma+avx512f+amx_bf16`);
  });

  it('is read from ARM systems too', () => {
    expect(instructionSet('Features\t: fp asimd bf16 sve\n')).toBe(`${process.arch} asimd+bf16+sve`);
  });

  it('is the architecture alone where the system does not tell', () => {
    expect(instructionSet('')).toBe(process.arch);
  });
});
