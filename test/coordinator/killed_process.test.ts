import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readModel } from '../../src/coordinator/storage/state/saved_model.js';
import { FAIL_POINT_VARIABLE } from '../../src/coordinator/storage/files/fail_point.js';
import { nodeFileSystem } from '../../src/coordinator/storage/files/file_system.js';
import { readNewestState } from '../../src/coordinator/storage/state/state_file.js';

// Inside node_modules, so that the program finds its libraries.
const scratch = mkdtempSync(resolve('node_modules/.killed-process-test-'));
const program = join(scratch, 'counting_run.mjs');
const STEPS = 60;
/** 1 + 2 + … + 60. */
const SUM = 1830;

beforeAll(() => {
  buildSync({
    entryPoints: ['test/support/counting_run.ts'],
    outfile: program,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
});
afterAll(() => rmSync(scratch, { recursive: true }));

function start(path: string, kill: { failPoint?: string; afterMs?: number } = {}): Promise<string> {
  const env = { ...process.env, ...(kill.failPoint !== undefined && { [FAIL_POINT_VARIABLE]: kill.failPoint }) };
  const child = spawn(process.execPath, [program, path, String(STEPS)], { env });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const timer = kill.afterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), kill.afterMs);
  return new Promise((done) =>
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      done(code === 0 ? 'done' : `${signal ?? code}${errors}`);
    }),
  );
}

async function expectWhole(path: string): Promise<void> {
  const steps = readFileSync(join(path, 'metrics.jsonl'), 'utf8').trim().split('\n');
  expect(steps.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual(
    Array.from({ length: STEPS }, (_, at) => at + 1),
  );
  const { state, rejected } = await readNewestState({ folder: join(path, 'state'), fileSystem: nodeFileSystem });
  expect(rejected).toEqual([]);
  expect([...(state?.parameters ?? [])]).toEqual(Array.from({ length: 12 }, () => SUM));
  expect(readdirSync(join(path, 'state'))).toHaveLength(2);
  expect(readdirSync(join(path, 'checkpoints')).sort()).toEqual(['epoch-0020', 'epoch-0040', 'epoch-0060']);
  // 1 + 2 + … + 40.
  expect((await readModel(join(path, 'checkpoints', 'epoch-0040'))).values[11]).toBe(820);
}

describe('a process killed while it trains', () => {
  const points = ['state', 'checkpoint', 'file'].flatMap((what) =>
    ['write', 'fsync', 'rename', 'renamed'].map((at) => `${what}.${at}`),
  );
  it.each([...points, 'state.delete'])('at %s, resumes to the same weights and metrics', async (point) => {
    const path = join(scratch, point);
    expect(await start(path, { failPoint: `${point}:1` })).toBe('SIGKILL');
    // The configuration is written once, so its points are met once; the others again, elsewhere.
    if (!point.startsWith('file')) expect(await start(path, { failPoint: `${point}:2` })).toBe('SIGKILL');
    if (!existsSync(join(path, 'config.yaml'))) rmSync(path, { recursive: true });
    expect(await start(path)).toBe('done');
    await expectWhole(path);
  });

  it('at 20 moments that nobody chose, resumes to the same weights and metrics', async () => {
    const path = join(scratch, 'random');
    let kills = 0;
    for (let attempt = 0; attempt < 20; attempt++) {
      if ((await start(path, { afterMs: 20 + ((attempt * 37) % 200) })) !== 'done') kills++;
      if (existsSync(path) && !existsSync(join(path, 'config.yaml'))) rmSync(path, { recursive: true });
    }
    expect(kills).toBeGreaterThan(0);
    expect(await start(path)).toBe('done');
    await expectWhole(path);
  });
});
