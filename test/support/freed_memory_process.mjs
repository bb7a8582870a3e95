/** Prints as JSON whether freed memory is kept here, and by how much the process shrank when 64 MiB were freed. */
import { keepFreedMemory } from '../../build/engine/tensorflow/allocator.js';
import { openLibrary } from '../../build/engine/capi/ffi.js';

const BYTES = 64 * 2 ** 20;
const kept = keepFreedMemory();
const libc = openLibrary(null);
const [malloc, memset, free] = [
  libc.func('malloc', 'void *', ['size_t']),
  libc.func('memset', 'void *', ['void *', 'int', 'size_t']),
  libc.func('free', 'void', ['void *']),
];
const memory = malloc(BYTES);
memset(memory, 1, BYTES);
const before = process.memoryUsage.rss();
free(memory);
console.log(JSON.stringify({ kept, shrankBytes: before - process.memoryUsage.rss(), bytes: BYTES }));
