import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** Names in the same form that are no codes of ours: of the system, of Node, of TensorFlow, of the environment. */
const OTHERS =
  /^(TFJS_PARALLEL_.*|TF_.*|(ONEDNN|DNNL)_.*|ERR_.*|MODULE_NOT_FOUND|Z_BUF_ERROR|ALREADY_EXISTS|DATA_LOSS|DEADLINE_EXCEEDED|FAILED_PRECONDITION|INVALID_ARGUMENT|NOT_FOUND|OUT_OF_RANGE|PERMISSION_DENIED|RESOURCE_EXHAUSTED)$/;

/** `MODEL_NEEDED` and `DATA_NEEDED` are put together (src/api/work.ts), the others have no underscore. */
const ELSEWHERE = ['INTERNAL', 'USAGE', 'MODEL_NEEDED', 'DATA_NEEDED'];

function codesOfSources(): string[] {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const sources = files.map((file) => readFileSync(join('src', file), 'utf8'));
  const words = sources.flatMap((text) => [...text.matchAll(/'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)'/g)].map(([, word]) => word));
  return [...new Set([...words.filter((word) => !OTHERS.test(word)), ...ELSEWHERE])].sort();
}

const rows = [...readFileSync('docs/errors.md', 'utf8').matchAll(/^\| `([A-Z_0-9]+)` \| (.*) \| (.*) \|$/gm)];

test('docs/errors.md has every code of the sources', () => {
  const codes = new Set(rows.map(([, code]) => code));
  expect(codesOfSources().filter((code) => !codes.has(code))).toEqual([]);
});

test('each code stands there once, with a meaning and what to do', () => {
  const codes = rows.map(([, code]) => code);
  expect(codes.filter((code, at) => codes.indexOf(code) !== at)).toEqual([]);
  expect(rows.filter(([, , meaning, next]) => meaning.trim() === '' || next.trim() === '')).toEqual([]);
});

test('no code stands there that the sources no longer have', () => {
  const codes = new Set(codesOfSources());
  expect(rows.map(([, code]) => code).filter((code) => !codes.has(code))).toEqual([]);
});
