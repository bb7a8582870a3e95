/** Owns: that advice works, see test/support/advice/network_cases.ts. */
import { NETWORK_CASES } from '../../support/advice/network_cases.js';
import { followCases } from '../../support/advice/follow_cases.js';

followCases(NETWORK_CASES);
