/** Owns: as many examples of each class as of the others. */
const set = (count) => ({
  x: Float32Array.from({ length: 8 * count }, (_, i) => Math.sin(i * i)),
  y: Int32Array.from({ length: count }, (_, i) => i % 4),
});
export const inputShape = [8];
export const classes = 4;
export const train = set(64);
export const validation = set(8);
