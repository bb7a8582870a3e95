/** Owns: a model that is never there: its thread hangs, as one does whose driver hangs. */
export const exampleShape = [4];

export function createModel() {
  new BroadcastChannel('endless').postMessage('begun');
  for (;;);
}
