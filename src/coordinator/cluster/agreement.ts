/**
 * Owns: whose word the reference of a run is: that of one worker until a second machine has shown the same; which of two that differ is right.
 * Does not: talk to workers or wait for a third (admissions.ts does). No clock, no socket.
 *
 * A voter is a machine where workers have tokens of their own, else a process. Only voters that are here count: one worker that is started again
 * and again has one voice.
 */
import type { NumericsClass } from '../../common/replica.js';
import { differenceFrom, type Claim, type Reference, type Refusal, type Rules } from './admission.js';

export type Verdict =
  | { readonly kind: 'admit' }
  | { readonly kind: 'refuse'; readonly refusal: Refusal }
  /** It differs from the one worker that was believed so far: a third decides. */
  | { readonly kind: 'hold'; readonly refusal: Refusal; readonly against: string }
  /** Two agree against the one: these voters are wrong. */
  | { readonly kind: 'outvoted'; readonly voters: readonly string[]; readonly loser: Reference; readonly refusal: Refusal };

export interface AgreementRules extends Rules {
  /** Of a resumed run: no worker's word. */
  readonly saved: NumericsClass | null;
  /** A module of the user's, which may draw weights without a seed: workers differ in them honestly. */
  readonly mayDrawUnseeded: boolean;
}

export class Agreement {
  #reference: Reference | null;
  /** Who showed what the reference says, and is here. */
  readonly #voters = new Set<string>();
  /** What others, who wait for a verdict, showed otherwise. */
  readonly #dissent = new Map<string, Claim>();
  #confirmed = false;
  /** The run has been made of it: its model and first weights are no longer anybody's word. */
  #begun = false;

  constructor(private readonly rules: AgreementRules) {
    this.#reference = this.#blank();
  }

  /** Two machines have shown the same. */
  get confirmed(): boolean {
    return this.#confirmed;
  }

  get begun(): boolean {
    return this.#begun;
  }

  begin(): void {
    this.#begun = true;
  }

  offer(claim: Claim, voter: string): Verdict {
    const refusal = this.#reference && differenceFrom(this.#reference, claim, this.rules);
    if (refusal === null) {
      this.#take(claim, voter);
      return { kind: 'admit' };
    }
    if (this.#confirmed || this.#voters.has(voter) || this.#isHonest(refusal)) return { kind: 'refuse', refusal };
    this.#dissent.set(voter, claim);
    const agreeing = [...this.#dissent].filter(([, other]) => differenceFrom(other, claim, this.rules) === null);
    const loser = this.#reference as Reference;
    if (agreeing.length < 2) return { kind: 'hold', refusal, against: loser.from };
    const voters = [...this.#voters];
    this.#reference = claim;
    this.#voters.clear();
    for (const [other] of agreeing) this.#voters.add(other);
    this.#confirmed = true;
    this.#dissent.clear();
    return { kind: 'outvoted', voters, loser, refusal };
  }

  /** Nobody of this voter is here any more: what it alone has shown is forgotten. */
  gone(voter: string): void {
    this.#dissent.delete(voter);
    if (!this.#voters.delete(voter) || this.#voters.size > 0 || this.#confirmed) return;
    this.#reference = this.#begun && this.#reference !== null ? { ...this.#reference, golden: null } : this.#blank();
  }

  #take(claim: Claim, voter: string): void {
    const known = this.#reference;
    this.#reference = {
      from: known?.golden ? known.from : claim.from,
      numerics: known?.numerics ?? claim.numerics,
      layoutSha256: known?.layoutSha256 ?? claim.layoutSha256,
      initialSha256: known?.initialSha256 ?? claim.initialSha256,
      golden: known?.golden ?? claim.golden,
    };
    this.#dissent.delete(voter);
    this.#voters.add(voter);
    this.#confirmed ||= this.#voters.size > 1;
  }

  /** Workers differ so without a lie: other hardware, as it says itself; weights that are drawn without a seed. */
  #isHonest({ code }: Refusal): boolean {
    return code === 'NUMERICS_DIFFER' || (code === 'INITIAL_DIFFERS' && this.rules.mayDrawUnseeded);
  }

  #blank(): Reference | null {
    const { saved } = this.rules;
    return saved && { from: 'the saved run', numerics: saved, layoutSha256: null, initialSha256: null, golden: null };
  }
}
