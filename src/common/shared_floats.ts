/**
 * Memory of float32 numbers, zeros at first, that threads share and that begins at a page, so that TensorFlow can read it where it lies (it wants
 * multiples of 64 bytes). Node gives that to shared memory that could grow; of the other kind it begins 16 bytes after one.
 */
export function sharedFloats(length: number): Float32Array {
  const bytes = length * Float32Array.BYTES_PER_ELEMENT;
  const growable: { maxByteLength?: number } = { maxByteLength: bytes };
  return new Float32Array(new (SharedArrayBuffer as GrowableSharedArrayBuffer)(bytes, growable), 0, length);
}

/** ES2024, which TypeScript's library for this target does not have. */
type GrowableSharedArrayBuffer = new (byteLength: number, options: { maxByteLength?: number }) => SharedArrayBuffer;
