/**
 * Owns: what the first picture of a TIFF file says its numbers mean, where sharp does not tell: it gives YCbCr as if it were RGB.
 * Does not: decode.
 */

/** Fields of TIFF 6.0, section 8. */
const COMPRESSION = 259;
const PHOTOMETRIC = 262;
const WHITE_IS_ZERO = 0;
const YCBCR = 6;
/** Decoded to RGB by the JPEG library. */
const JPEG: readonly number[] = [6, 7];
const ENTRY_BYTES = 12;

/** Why the numbers of a TIFF file would be other colors than Pillow's; null where they would not. */
export function otherColors(bytes: Uint8Array, depth: 8 | 16): string | null {
  const fields = fieldsOf(bytes);
  const photometric = fields.get(PHOTOMETRIC);
  if (photometric === YCBCR && !JPEG.includes(fields.get(COMPRESSION) ?? 1)) return 'is in YCbCr, wanted gray or RGB';
  if (photometric === WHITE_IS_ZERO && depth === 16) return 'has 16 bits a value of which 0 is white, wanted black';
  return null;
}

/** Numbers of the first directory by tag, of fields that hold one; none where the file is of another kind (BigTIFF) or ends before. */
function fieldsOf(bytes: Uint8Array): ReadonlyMap<number, number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields = new Map<number, number>();
  if (bytes.length < 8) return fields;
  const little = view.getUint16(0) === 0x4949;
  const start = view.getUint32(4, little);
  if (view.getUint16(2, little) !== 42 || start + 2 > bytes.length) return fields;
  const count = view.getUint16(start, little);
  for (let at = start + 2; at < start + 2 + count * ENTRY_BYTES && at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    const isShort = view.getUint16(at + 2, little) === 3;
    fields.set(view.getUint16(at, little), isShort ? view.getUint16(at + 8, little) : view.getUint32(at + 8, little));
  }
  return fields;
}
