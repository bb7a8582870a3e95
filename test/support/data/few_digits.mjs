/** 600 + 100 of the drawn digits, as a user's data module: drawing all of them takes longer than the tests that use these. */
import { syntheticDigits } from '../../../build/data/synthetic.js';

export default () => syntheticDigits({ seed: 1, train: 600, validation: 100 });
