/** Owns: showing two numbers that are compared with as many digits as tell them apart. Does not: know what they measure. */

/** Significant digits after which doubles differ or are equal. */
const MOST = 17;

/** At least `digits` of them; equal numbers are shown equal. */
export function digitsApart(
  [a, b]: readonly [number, number],
  show: (value: number, digits: number) => string,
  digits: number,
): [string, string] {
  while (digits < MOST && a !== b && show(a, digits) === show(b, digits)) digits++;
  return [show(a, digits), show(b, digits)];
}
