/**
 * Owns: the one mechanical rule between names in code (camelCase) and names in files, flags' keys and JSON lines (snake_case).
 * Does not: know which keys exist (src/common/settings/schema.ts) or what a record holds (src/common/run_record.ts).
 */

/** JSON data: what a record or a configuration file is made of. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** `weightsSha256` → `weights_sha256`, `imagesPerS` → `images_per_s`, `beta1` → `beta1`. */
export function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** `weights_sha256` → `weightsSha256`, `images_per_s` → `imagesPerS`. */
export function toCamelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** A copy of `value` with every object key renamed; values are kept as they are. Undefined properties are left out. */
export function renameKeys(value: unknown, rename: (name: string) => string): Json {
  if (Array.isArray(value)) return value.map((item) => renameKeys(item, rename));
  if (typeof value !== 'object' || value === null) return value as Json;
  const renamed: { [key: string]: Json } = {};
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) renamed[rename(key)] = renameKeys(item, rename);
  }
  return renamed;
}

/** What nested sections hold at a dotted path; undefined where there is nothing. */
export function valueAt(root: unknown, path: string): unknown {
  let value = root;
  if (path === '') return value;
  for (const key of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[key];
  return value;
}
