/** An epoch's values, as records and messages have them. */
interface Judged {
  readonly values: Readonly<Record<string, number | null>>;
}

/** The first epoch with the best monitored value; null where none has one. */
export function bestEpoch<Epoch extends Judged>(
  epochs: readonly Epoch[],
  { name, direction }: { readonly name: string; readonly direction: 'max' | 'min' },
): Epoch | null {
  let best: Epoch | null = null;
  for (const epoch of epochs) {
    const [value, before] = [epoch.values[name], best?.values[name]];
    if (value == null) continue;
    if (before == null || (direction === 'max' ? value > before : value < before)) best = epoch;
  }
  return best;
}
