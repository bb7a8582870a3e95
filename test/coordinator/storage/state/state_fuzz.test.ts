import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { xorshift } from '../../../support/xorshift.js';
import { collectGarbage } from '../../../support/collect_garbage.js';
import type { FileSystem, OpenFile } from '../../../../src/coordinator/storage/files/file_system.js';
import { DamagedFileError } from '../../../../src/coordinator/storage/state/safetensors.js';
import { encodeState } from '../../../../src/coordinator/storage/state/state_content.js';
import { readState } from '../../../../src/coordinator/storage/state/state_file.js';
import { MemoryDisk } from '../../../support/memory_disk.js';
import { tinyState } from '../../../support/run_state.js';

const FILES = 100_000;
const MEMORY_LIMIT = 64 * 2 ** 20;

it(`${FILES.toLocaleString('en-US')} fuzzed states are read or refused in words, none crashes, and none takes 64 MiB more memory than it is long`, async () => {
  const bytes = Buffer.concat(await encodeState(tinyState()));
  const random = xorshift(20_240_602);
  let beforeKiB = 0;
  const accepted = { signed: 0, unsigned: 0 };
  const reasons = new Set<string>();
  for (let file = 0; file < FILES; file++) {
    const mutant = mutate(bytes, random);
    // Half of them get right lengths and digests where their header still is JSON, so that what lies behind is reached.
    const signed = file % 2 === 0 ? resigned(mutant, bytes) : null;
    const reason = await refusal(signed ?? mutant);
    if (reason === null) accepted[signed === null ? 'unsigned' : 'signed']++;
    else reasons.add(reason.slice(0, 32));
    // The fuzzer's own garbage is no file's memory; the first thousand files are read to warm up.
    if (file % 1_000 === 0) collectGarbage();
    if (file === 1_000) beforeKiB = process.resourceUsage().maxRSS;
  }
  expect((process.resourceUsage().maxRSS - beforeKiB) * 1024).toBeLessThan(MEMORY_LIMIT);
  // A mutant that replaced a byte by itself is no mutant; all others have wrong digests.
  expect(accepted.unsigned).toBe(0);
  // Other weights, another best accuracy, other words: still a state. Some must be, or the fuzzer never came so far; and most must not.
  expect(accepted.signed).toBeGreaterThan(1_000);
  expect(accepted.signed).toBeLessThan(FILES / 3);
  for (const reached of [
    'header length',
    'metadata progress.',
    'metadata config.',
    'metadata numerics.',
    'tensor ',
    'it is not a state of a run',
  ])
    expect(
      [...reasons].some((reason) => reason.startsWith(reached)),
      reached,
    ).toBe(true);
});

/** Null where the state is accepted, else why not. Any other error is a crash. */
async function refusal(bytes: Uint8Array): Promise<string | null> {
  try {
    await readState('/state/fuzzed.safetensors', new OneFile(bytes));
    return null;
  } catch (error) {
    if (!(error instanceof DamagedFileError)) throw error;
    return error.message;
  }
}

/** A disk with one file on it. */
class OneFile extends MemoryDisk implements FileSystem {
  constructor(private readonly bytes: Uint8Array) {
    super();
  }

  override async open(): Promise<OpenFile> {
    const { bytes } = this;
    const refuse = () => Promise.reject(new Error('internal: reading writes'));
    return {
      size: async () => bytes.length,
      read: async (into, position) => {
        const piece = bytes.subarray(position, position + into.length);
        into.set(piece);
        return piece.length;
      },
      close: async () => undefined,
      ...{ write: refuse, truncate: refuse, sync: refuse },
    };
  }
}

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  '"',
  '\\"',
  ',',
  ':',
  '0',
  '-1',
  '1e999',
  '9007199254740993',
  'null',
  'true',
  '"__proto__":',
  '\\\\u0000',
  '"F32"',
  '\xff',
];

/** One to three edits: a bit, a few bytes less, a piece of JSON instead of a byte or between two. */
function mutate(original: Buffer, random: () => number): Buffer {
  let mutant = Buffer.from(original);
  for (let edits = 1 + (random() % 3); edits > 0; edits--) {
    const at = random() % mutant.length;
    const kind = random() % 4;
    if (kind === 0) mutant[at] ^= 1 << (random() % 8);
    else {
      const piece = kind === 1 ? '' : PIECES[random() % PIECES.length];
      const removed = kind === 1 ? 1 + (random() % 9) : kind === 2 ? 1 : 0;
      mutant = Buffer.concat([mutant.subarray(0, at), Buffer.from(piece, 'latin1'), mutant.subarray(at + removed)]);
    }
  }
  return mutant.equals(original) ? mutate(original, random) : mutant;
}

/** The mutant with its length and both digests put right; null where its header is no JSON object any more. */
function resigned(mutant: Buffer, original: Buffer): Buffer | null {
  const end = 8 + Number(original.readBigUInt64LE()) + mutant.length - original.length;
  const text = mutant.subarray(8, end).toString();
  let header: { __metadata__?: unknown };
  try {
    header = JSON.parse(text.slice(0, text.lastIndexOf('}') + 1)) as typeof header;
  } catch {
    return null;
  }
  if (typeof header.__metadata__ !== 'object' || header.__metadata__ === null) return null;
  const data = mutant.subarray(end);
  const zeros = '0'.repeat(64);
  const { tensors_sha256: _, header_sha256: __, ...words } = header.__metadata__ as Record<string, unknown>;
  const blank = JSON.stringify({ ...header, __metadata__: { ...words, tensors_sha256: sha256(data), header_sha256: zeros } });
  const signed = Buffer.from(blank.replace(`"header_sha256":"${zeros}"`, `"header_sha256":"${sha256(Buffer.from(blank))}"`));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(signed.length));
  return Buffer.concat([length, signed, data]);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
