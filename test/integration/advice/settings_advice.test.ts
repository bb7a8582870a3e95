/** Owns: that advice works, see test/support/advice/settings_cases.ts. */
import { SETTINGS_CASES } from '../../support/advice/settings_cases.js';
import { followCases } from '../../support/advice/follow_cases.js';

followCases(SETTINGS_CASES);
