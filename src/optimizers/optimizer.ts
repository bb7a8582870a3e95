/** The form of an optimizer: its settings, its slots, and its update as an expression. Each one is a file of this folder and a row of table.ts. */
import type { Expression } from './expression.js';

/** As in the configuration file, `optimizer.NAME`; settings of one name are one object, whichever optimizers have it. */
export type Setting = RealSetting | { readonly kind: 'flag'; readonly default: boolean };

interface RealSetting {
  readonly kind: 'real';
  readonly atLeast?: number;
  readonly above?: number;
  readonly below?: number;
  /** Null: the optimizer's own, where optimizers differ in it. */
  readonly default: number | null;
}

type ValueOf<S extends Setting> = S extends { kind: 'flag' } ? boolean : S extends { default: null } ? number | null : number;
export type ValuesOf<Settings extends Readonly<Record<string, Setting>>> = {
  [Name in keyof Settings]: ValueOf<Settings[Name]>;
};

interface Operands {
  /** Mean over the global batch, clipped, weight decay added unless the decay is the optimizer's own. */
  readonly gradient: Expression;
  readonly weights: Expression;
  readonly slots: Readonly<Record<string, Expression>>;
  readonly weightDecay: number;
}

export interface Updated {
  readonly weights: Expression;
  readonly slots: Readonly<Record<string, Expression>>;
}

/** An optimizer of tfjs: its class name, what its `getConfig()` calls our settings, and where its objects keep what they remember. */
export interface TfjsOptimizer {
  readonly className: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Lists of one variable for each trained weight, by our slots' names. */
  readonly memory?: Readonly<Record<string, TfjsSlot>>;
  /** Scalars that follow from the count of steps, by their field. */
  readonly counts?: Readonly<Record<string, (steps: number, config: Readonly<Record<string, unknown>>) => number>>;
}

interface TfjsSlot {
  readonly field: string;
  /** What follows a weight's name in a saved model: `dense/kernel/momentum`. */
  readonly suffix: string;
  /** The flag of `getConfig()` without which there is no such list; else it is there, even where we need no slot. */
  readonly onlyIf?: string;
}

export interface OptimizerDefinition<Settings extends Readonly<Record<string, Setting>>> {
  readonly settings: Settings;
  /** `added`: weight decay · weights is added to the gradient. `own`: the update decays the weights itself. */
  readonly decay: 'added' | 'own';
  /** Those of tfjs that this one computes. */
  readonly tfjs: readonly TfjsOptimizer[];
  /** Said when a run begins. */
  readonly warning?: string;
  /** What to do where a step is not finite, if that is of the optimizer's own doing. */
  whenNotFinite?(settings: ValuesOf<Settings>): { readonly next: string } | null;
  /** Arrays as long as the trained weights, by name, with what each element is before the first step. */
  slots(settings: ValuesOf<Settings>): Readonly<Record<string, number>>;
  /** What the weights and every slot are after the step. */
  update(operands: Operands, settings: ValuesOf<Settings>): Updated;
}

export function defineOptimizer<const Settings extends Readonly<Record<string, Setting>>>(
  definition: OptimizerDefinition<Settings>,
): OptimizerDefinition<Settings> {
  return definition;
}
