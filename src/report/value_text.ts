/**
 * Owns: numbers as people read them: values by name, counts, shares, times.
 * Does not: put them into lines (run_text.ts).
 */
import { digitsApart } from '../common/digits_apart.js';

/** Accuracies in per cent. */
export function valueText(name: string, value: number, digits = 2): string {
  if (name.endsWith('acc')) return percent(value, digits);
  return Math.abs(value) >= 1e-3 || value === 0 ? value.toFixed(4) : value.toPrecision(4);
}

/** `validation accuracy` for `val_acc`, as people say it; other names as they are. */
export function valueName(name: string): string {
  return name === 'val_acc' ? 'validation accuracy' : name;
}

/** Two values of one name that are compared, with as many digits, at least two, as tell them apart. */
export function valuesApart(name: string, a: number, b: number): [string, string] {
  const show = (value: number, digits: number): string =>
    digits === 2 || name.endsWith('acc') ? valueText(name, value, digits) : value.toPrecision(Math.min(digits + 2, 17));
  return digitsApart([a, b], show, 2);
}

/** 60000 → `60,000`, whatever the locale. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

export function percent(fraction: number, digits: number): string {
  return `${(100 * fraction).toFixed(digits)} %`;
}

/** 634 → `10m 34s`; 7322 → `2h 2m`; 5 → `5s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h >= 48) return `${Math.floor(h / 24)}d ${h % 24}h`;
  if (h > 0) return `${h}h ${m}m`;
  return m > 0 ? `${m}m ${s}s` : `${s}s`;
}
