/** Owns: that advice works, see test/support/advice/door_cases.ts. */
import { DOOR_CASES } from '../../support/advice/door_cases.js';
import { followCases } from '../../support/advice/follow_cases.js';

followCases(DOOR_CASES);
