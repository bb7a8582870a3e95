/** 600 + 100 of the drawn digits, as a user's data module: drawing all of them takes longer than the tests that use these. */
import { syntheticDigits } from '../../../build/data/sources/synthetic.js';

export default async () => {
  const { name, train, validation } = await syntheticDigits({ seed: 1, train: 600, validation: 100 });
  const plain = ({ inputs: { x }, targets: { y } }) => ({ x, y });
  return { name, train: plain(train), validation: plain(validation), inputShape: [28, 28, 1], classes: 10, scale: 1 / 255 };
};
