/** Owns: maps that are bounded: who is written last is remembered, the oldest is forgotten. */

/** A copy in which these entries are the newest, of `most` at most. */
export function withNewest<Key, Value>(
  map: ReadonlyMap<Key, Value>,
  entries: Iterable<readonly [Key, Value]>,
  most: number,
): Map<Key, Value> {
  const all = new Map(map);
  for (const [key, value] of entries) {
    all.delete(key);
    all.set(key, value);
  }
  for (const oldest of all.keys()) {
    if (all.size <= most) break;
    all.delete(oldest);
  }
  return all;
}
