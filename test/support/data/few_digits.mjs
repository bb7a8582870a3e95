/** 600 + 100 of the drawn digits, as a user's data module: drawing all of them takes longer than the tests that use these. */
import { syntheticDigits } from '../../../build/data/sources/synthetic.js';

export default async () => {
  const { name, train, validation } = await syntheticDigits({ seed: 1, train: 600, validation: 100 });
  const arrays = ({ inputs, targets }) => ({
    x: Float32Array.from(Object.values(inputs)[0], (value) => value / 255),
    y: Object.values(targets)[0],
  });
  return { name, inputShape: [28, 28, 1], train: arrays(train), validation: arrays(validation) };
};
