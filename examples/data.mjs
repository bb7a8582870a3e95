/**
 * Data for `--data examples/data.mjs`: export `train` and `validation` sets as typed arrays. Three classes of points, one per third of a circle.
 */
function points(count, stride) {
  const x = new Float32Array(count * 2);
  const y = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const angle = (((i * stride) % 1009) / 1009) * 2 * Math.PI;
    const radius = 0.3 + 0.7 * (((i * stride * 17) % 499) / 499);
    x.set([radius * Math.cos(angle), radius * Math.sin(angle)], i * 2);
    y[i] = Math.floor((angle / (2 * Math.PI)) * 3);
  }
  return { x, y };
}

export const inputShape = [2];
export const classes = 3;
export const train = points(1500, 7);
export const validation = points(300, 13);
