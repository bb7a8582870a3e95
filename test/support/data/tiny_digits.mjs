/**
 * 2,000 + 100 pictures of [28, 28, 1] in ten classes, made in some milliseconds: stripes, a class its own, under noise. For runs that are killed, stopped
 * and resumed, each of which is a process that would draw all 24,000 of the synthetic digits, for longer than it trains.
 */
const PIXELS = 784;

function draw(count, seed) {
  const [x, y] = [new Uint8Array(count * PIXELS), new Uint8Array(count)];
  let state = seed;
  for (let at = 0; at < count; at++) {
    y[at] = (at * 7 + seed) % 10;
    for (let pixel = 0; pixel < PIXELS; pixel++) {
      // Numerical Recipes' generator of 32 bits, of which the high ones are good.
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      x[at * PIXELS + pixel] = (state >>> 24) * 0.75 + (pixel % 10 === y[at] ? 64 : 0);
    }
  }
  return { x, y };
}

export const name = 'tiny digits';
export const train = draw(2000, 1);
export const validation = draw(100, 2);
export const inputShape = [28, 28, 1];
export const scale = 1 / 255;
