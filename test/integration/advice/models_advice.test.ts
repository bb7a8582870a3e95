/** Owns: that advice works, see test/support/advice/models_cases.ts. */
import { MODELS_CASES } from '../../support/advice/models_cases.js';
import { followCases } from '../../support/advice/follow_cases.js';

followCases(MODELS_CASES);
