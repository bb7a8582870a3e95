/** The settings of all optimizers, as the configuration has them: one flat section. */
import type { Setting, ValuesOf } from './optimizer.js';
import { OPTIMIZERS } from './table.js';

export type OptimizerName = keyof typeof OPTIMIZERS;
export const OPTIMIZER_NAMES = Object.keys(OPTIMIZERS) as [OptimizerName, ...OptimizerName[]];

type Merge<Union> = (Union extends unknown ? (of: Union) => void : never) extends (of: infer All) => void ? All : never;
type AllSettings = Merge<(typeof OPTIMIZERS)[OptimizerName]['settings']>;
export type OptimizerSettings = { -readonly [Name in keyof AllSettings]: ValuesOf<AllSettings>[Name] };

/** By name, with the optimizers that have it. */
export const OPTIMIZER_SETTINGS: ReadonlyMap<string, { readonly setting: Setting; readonly of: readonly OptimizerName[] }> =
  collect();

function collect(): Map<string, { setting: Setting; of: OptimizerName[] }> {
  const found = new Map<string, { setting: Setting; of: OptimizerName[] }>();
  for (const name of OPTIMIZER_NAMES) {
    for (const [key, setting] of Object.entries<Setting>(OPTIMIZERS[name].settings)) {
      const known = found.get(key);
      if (known === undefined) found.set(key, { setting, of: [name] });
      else known.of.push(name);
    }
  }
  return found;
}
