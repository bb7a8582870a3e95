/** Owns: that advice works, see test/support/advice/runs_cases.ts. */
import { RUNS_CASES } from '../../support/advice/runs_cases.js';
import { followCases } from '../../support/advice/follow_cases.js';

followCases(RUNS_CASES);
