/** What the programs here share: numbers that are the same in every run, and how one of them is started. */
import { fileURLToPath } from 'node:url';

/** Numbers from 0 to 1 from a seed (a multiplicative congruential sequence). */
export function numbers(seed) {
  let word = seed;
  return () => (word = (word * 48271) % 2147483647) / 2147483647;
}

/** Runs `main(fits)` where the file is started by hand, on every device, and prints each epoch. */
export async function startedByHand(url, main) {
  if (process.argv[1] !== fileURLToPath(url)) return;
  const { fit, fitDataset } = await import('tfjs-parallel');
  for (const { epoch, history } of await main({ fit, fitDataset }))
    epoch.forEach((number, at) => {
      const values = Object.entries(history).map(([name, ofEpochs]) => `${name} ${ofEpochs[at].toFixed(4)}`);
      console.log(`epoch ${number + 1}: ${values.join(', ')}`);
    });
}
