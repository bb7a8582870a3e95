/** Owns: how many numbers an array of a shape has. */

/** 1 for a single number, whose shape is empty. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, extent) => size * extent, 1);
}
