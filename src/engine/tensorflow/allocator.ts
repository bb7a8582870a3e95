/**
 * Owns: what the C library does with memory that a step frees: by itself glibc gives large pieces back to the system and takes them again, page by page,
 * in the next step. Does not: touch other C libraries, or a process whose user has told glibc what to do.
 */
import { openLibrary } from '../capi/ffi.js';

/** malloc.h: numbers of mallopt's parameters. */
const M_TRIM_THRESHOLD = -1;
const M_MMAP_MAX = -4;

/** Free memory at the heap's end that is kept; what is more goes back, so that a large file read once is not kept for ever. */
const KEPT_BYTES = 2 ** 30;

/** glibc's own variables (mallopt(3)); any of them, or its tunables, is the user's choice. */
const USERS_OWN = /^MALLOC_(ARENA_MAX|ARENA_TEST|MMAP_MAX_|MMAP_THRESHOLD_|TRIM_THRESHOLD_|TOP_PAD_)$/;

export function isAllocatorTuned(environment: Readonly<Record<string, string | undefined>> = process.env): boolean {
  const isTunable = environment.GLIBC_TUNABLES?.includes('glibc.malloc.') ?? false;
  return isTunable || Object.keys(environment).some((name) => USERS_OWN.test(name));
}

let kept: boolean | undefined;

/** Has freed memory kept in this process, and says whether it is; once a process is enough, and twice does no harm. */
export function keepFreedMemory(environment: Readonly<Record<string, string | undefined>> = process.env): boolean {
  kept ??= !isAllocatorTuned(environment) && setKept();
  return kept;
}

function setKept(): boolean {
  const library = openLibrary(null);
  try {
    // Only glibc has it. musl, for one, has none of these parameters.
    library.symbol('gnu_get_libc_version');
    const mallopt = library.func('mallopt', 'int', ['int', 'int']) as (parameter: number, value: number) => number;
    return mallopt(M_MMAP_MAX, 0) === 1 && mallopt(M_TRIM_THRESHOLD, KEPT_BYTES) === 1;
  } catch {
    return false;
  }
}
