/**
 * Owns: running the checks one after the other, and telling each finding when it is there.
 * Does not: print (src/cli/commands/doctor.ts).
 */
import { errorMessage } from '../common/error_facts.js';
import { ExpectedError } from '../common/errors.js';
import type { Check, Finding, Place } from './check.js';

export type NamedFinding = Finding & { readonly name: string };

/** A check that breaks is a finding too, and keeps no other from being made. */
export async function examine(
  checks: readonly Check[],
  place: Place,
  tell: (finding: NamedFinding) => void = () => undefined,
): Promise<NamedFinding[]> {
  const all: NamedFinding[] = [];
  for (const check of checks) {
    for (const finding of await findings(check, place)) {
      const named = { ...finding, name: finding.name ?? check.name };
      all.push(named);
      tell(named);
    }
  }
  return all;
}

async function findings(check: Check, place: Place): Promise<readonly Finding[]> {
  try {
    return await check.find(place);
  } catch (error) {
    if (error instanceof ExpectedError) return [{ status: 'problem', found: error.message, next: error.next }];
    return [
      { status: 'note', found: `could not be checked: ${errorMessage(error)}`, means: 'The other checks are not touched by it.' },
    ];
  }
}
