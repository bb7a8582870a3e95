/** Owns: that advice works, see test/support/advice/files_cases.ts. */
import { FILES_CASES } from '../../support/advice/files_cases.js';
import { followCases } from '../../support/advice/follow_cases.js';

followCases(FILES_CASES);
