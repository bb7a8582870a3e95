/**
 * Owns: the keys of `doctor --json`, as docs/doctor.md tells them to programs: of a machine, of one with GPUs, and of the way to a real coordinator.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { realCoordinator } from '../../src/doctor/coordinator.js';
import { examine, type NamedFinding } from '../../src/doctor/examine.js';
import { CHECKS } from '../../src/doctor/table.js';
import { loopbackCluster, TOKEN } from '../support/loopback_cluster.js';
import { machineOf } from '../support/machine_facts.js';
import { temporaryFolder } from '../support/temporary_folder.js';

/** Keys by name, as the page has them: those of what is found as a rule, before the semicolon. */
function keysOnPage(): Map<string, string[]> {
  const page = readFileSync('docs/doctor.md', 'utf8').split('## As one record')[1].split('\n## ')[0];
  return new Map(
    [...page.matchAll(/^\| `([^`]+)`( …)? \| (.+) \|$/gm)].map(([, name, , keys]) => [
      name,
      [...keys.split(';')[0].matchAll(/`([a-z\d_]+)`/g)].map(([, key]) => key).filter((key) => !/^gflops_/.test(key)),
    ]),
  );
}

/** Of findings that have figures, the first of each name. */
function keysOf(findings: readonly NamedFinding[]): [string, string[]][] {
  const first = new Map<string, string[]>();
  for (const { name, figures } of findings)
    if (figures !== undefined && !first.has(name))
      first.set(
        name,
        Object.keys(figures).filter((key) => !/^gflops_\d+_threads$/.test(key)),
      );
  return [...first];
}

it('of a machine are those on the page, all of them', async () => {
  const found = keysOf(await examine(CHECKS, { machine: machineOf(), coordinator: null }));
  const page = keysOnPage();
  expect(found.map(([name]) => name)).toEqual([
    ...['system', 'node', 'tensorflow', 'python', 'cache', 'processor', 'onednn', 'resources', 'ulimits', 'clock', 'ports'],
    ...['gpus', 'on cpu(0)'],
  ]);
  for (const [name, keys] of found) expect([name, keys]).toEqual([name, page.get(name)]);
});

it('of a GPU are those on the page', async () => {
  const query =
    'nvidia-smi --query-gpu=uuid,driver_version,memory.total,memory.used,compute_cap,utilization.gpu,ecc.errors.uncorrected.volatile.total --format=csv,noheader,nounits';
  const machine = machineOf({
    gpus: () => ({ gpus: [{ index: 0, model: 'NVIDIA A100-SXM4-80GB', uuid: 'GPU-0' }], reason: '' }),
    programs: { [query]: 'GPU-0, 580.105.08, 81920, 400, 8.0, 0, 0\n', 'nvidia-smi': 'CUDA Version: 13.0  |' },
  });
  const gpus = CHECKS.filter(({ name }) => name === 'gpus');
  expect(keysOf(await examine(gpus, { machine, coordinator: null }))).toEqual([['gpu(0)', keysOnPage().get('gpu(0)')]]);
});

it('of the way to a coordinator are those on the page', async () => {
  const { port } = await loopbackCluster({ tls: { kind: 'none' } });
  const path = join(await temporaryFolder(), 'token');
  writeFileSync(path, `${TOKEN}\n`, { mode: 0o600 });
  const coordinator = realCoordinator({
    endpoint: { host: '127.0.0.1', port },
    token: { kind: 'file', path },
    encryption: { kind: 'none' },
  });
  const way = CHECKS.filter(({ name }) => name === 'coordinator');
  const found = keysOf(await examine(way, { machine: machineOf(), coordinator }));
  expect(found.map(([name]) => name)).toEqual(['name', 'port', 'version', 'latency', 'bandwidth', 'its clock']);
  for (const [name, keys] of found) expect([name, keys]).toEqual([name, keysOnPage().get(name)]);
});
