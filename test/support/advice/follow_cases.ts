/** Owns: following advice: each case is provoked, what was said is found in the sources, and its commands are run. */
import { afterAll, describe, expect, it } from 'vitest';
import { removeFolder, type Cases } from './cases.js';
import { adviceInSources, type Advice } from './sources.js';

export const ADVICE = adviceInSources();

export const isOf =
  ({ file, text }: Advice) =>
  (one: { file: string; begins: string }): boolean =>
    one.file === file && text.startsWith(one.begins);

/** A test of each. */
export function followCases(cases: Cases): void {
  afterAll(removeFolder);
  describe('what is advised works', () => {
    it.each(Object.keys(cases))('%s', async (name) => {
      const { says, provoke, follow } = cases[name];
      const { next } = await provoke();
      const texts = ADVICE.filter((one) => says.some(isOf(one)));
      const isSaid = texts.some(({ text }) => text.split('…').every((part) => next.includes(part.trim())));
      expect(isSaid, next).toBe(true);
      await follow(next);
    });
  });
}
