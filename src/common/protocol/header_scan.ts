/**
 * Owns: the check of a msgpack header before anything decodes it: exact length, depth, number of items, plain kinds only.
 * Does not: decode.
 *
 * msgpackr trusts its input: `bin` with a trailing byte costs it seconds, extensions make objects of its choosing. Neither passes here.
 */
import { wireError } from './frame.js';
import { LIMITS } from '../limits.js';

/** @throws ClusterError WIRE_INVALID unless `bytes` is one msgpack value of maps with string keys, arrays, strings, numbers, booleans and nil. */
export function scanHeader(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let items = 0;

  const need = (count: number): number => {
    const start = at;
    if (start + count > bytes.length) throw wireError('a header ends early');
    at = start + count;
    return start;
  };
  const length = (size: 1 | 2 | 4): number => {
    const start = need(size);
    return size === 1 ? view.getUint8(start) : size === 2 ? view.getUint16(start) : view.getUint32(start);
  };
  const isString = (tag: number): boolean => (tag >= 0xa0 && tag <= 0xbf) || (tag >= 0xd9 && tag <= 0xdb);
  const group = (count: number, depth: number, keyed: boolean): void => {
    if (depth >= LIMITS.maxHeaderDepth) throw wireError(`a header nested deeper than ${LIMITS.maxHeaderDepth}`);
    // Each item takes a byte at least: a count beyond the bytes left is a lie.
    if (count > bytes.length - at) throw wireError('a header declares more items than it has bytes');
    for (let i = 0; i < count; i++) {
      if (keyed) {
        if (at >= bytes.length || !isString(bytes[at])) throw wireError('a header has a key that is not a string');
        value(depth + 1);
      }
      value(depth + 1);
    }
  };
  const value = (depth: number): void => {
    if (++items > LIMITS.maxHeaderItems) throw wireError(`a header of more than ${LIMITS.maxHeaderItems} items`);
    const tag = bytes[need(1)];
    if (tag <= 0x7f || tag >= 0xe0) return;
    if (tag <= 0x8f) return group(tag & 15, depth, true);
    if (tag <= 0x9f) return group(tag & 15, depth, false);
    if (tag <= 0xbf) return void need(tag & 31);
    switch (tag) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return;
      case 0xca:
      case 0xce:
      case 0xd2:
        return void need(4);
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return void need(8);
      case 0xcc:
      case 0xd0:
        return void need(1);
      case 0xcd:
      case 0xd1:
        return void need(2);
      case 0xd9:
        return void need(length(1));
      case 0xda:
        return void need(length(2));
      case 0xdb:
        return void need(length(4));
      case 0xdc:
        return group(length(2), depth, false);
      case 0xdd:
        return group(length(4), depth, false);
      case 0xde:
        return group(length(2), depth, true);
      case 0xdf:
        return group(length(4), depth, true);
      default:
        throw wireError(`a header holds a value of kind 0x${tag.toString(16)}, which no message has`);
    }
  };

  value(0);
  if (at !== bytes.length) throw wireError(`a header has ${bytes.length - at} bytes after its end`);
}
