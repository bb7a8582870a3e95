export function fuzzFrame(frame: Uint8Array, random: () => number): Buffer;
