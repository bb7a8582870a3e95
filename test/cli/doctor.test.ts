/**
 * Owns: the `doctor` command: its lines within the terminal, its record, its exit code; and one real run of it.
 */
import { describe, expect, it } from 'vitest';
import { doctorCommand } from '../../src/cli/commands/doctor.js';
import type { CommandContext } from '../../src/cli/context.js';
import { createProgram } from '../../src/cli/program.js';
import type { CoordinatorRequest } from '../../src/doctor/coordinator.js';
import { CHECKS } from '../../src/doctor/table.js';
import { runCli } from '../support/built_cli.js';
import { captureStream } from '../support/capture_stream.js';
import { machineOf, type MachineChanges } from '../support/machine_facts.js';

async function doctor(
  args: string,
  changes: MachineChanges = {},
  { columns, colors = false }: { columns?: number; colors?: boolean } = {},
) {
  const stdout = captureStream({ columns, colors, isTTY: columns !== undefined });
  let code: number | null = null;
  let asked: CoordinatorRequest | null = null;
  const context = {
    ...{ environment: {}, stderr: captureStream(), warn: () => undefined, finish: (exitCode: number) => (code = exitCode) },
    stdout,
  } as unknown as CommandContext;
  const parts = {
    checks: CHECKS,
    machine: machineOf(changes),
    coordinator: (request: CoordinatorRequest) => {
      asked = request;
      return {
        ...{ endpoint: request.endpoint, encryption: request.encryption.kind, software: '0.1.0' },
        ...{
          lookUp: () => Promise.reject(new Error('ENOTFOUND')),
          connect: () => Promise.resolve(1),
          measure: () => Promise.reject(new Error('internal: not asked')),
        },
      };
    },
  };
  const command = createProgram(context, [doctorCommand(context, () => Promise.resolve(parts))]);
  await command.parseAsync(['doctor', ...args.split(' ').filter((arg) => arg !== '')], { from: 'user' });
  return { out: stdout.text(), code: code as number | null, asked: asked as CoordinatorRequest | null };
}

const BROKEN: MachineChanges = { nodeVersion: '18.0.0', load: 7, memoryBytes: 1e9 };

it('exits with 0 where nothing is a problem, notes or not, and with 3 elsewhere', async () => {
  expect(await doctor('')).toMatchObject({ code: 0, out: expect.stringMatching(/\nnothing is in the way\n$/) as string });
  expect(await doctor('', { load: 7 })).toMatchObject({
    code: 0,
    out: expect.stringMatching(/\nnothing is in the way, 1 note\n$/) as string,
  });
  expect(await doctor('', BROKEN)).toMatchObject({ code: 3, out: expect.stringMatching(/\n2 problems, 1 note\n$/) as string });
});

it('aligns what it found, what that means and what to do', async () => {
  const { out } = await doctor('', BROKEN);
  expect(out.split('\n').filter((line) => /^problem node|^ +next: Install a current/.test(line))).toEqual([
    'problem node        Node 18.0.0, and 20.19 or newer is needed',
    '                    next: Install a current version of Node: https://nodejs.org, or with a version manager.',
  ]);
});

it.each([200, 110, 80, 50, 49, 40, 20, 9])('is never wider than %i columns', async (columns) => {
  const { out } = await doctor('', BROKEN, { columns });
  for (const line of out.split('\n').slice(0, -2)) expect(line.length, line).toBeLessThanOrEqual(columns);
  const words = (text: string): string => text.replace(/\s+/g, '');
  expect(words(out)).toContain(words('Node 18.0.0, and 20.19 or newer is needed'));
});

it('colors what the terminal colors, and nothing else', async () => {
  expect((await doctor('', BROKEN, { columns: 100, colors: true })).out).toContain('\u001b[31mproblem\u001b[39m node');
  expect((await doctor('', BROKEN, { columns: 100 })).out).not.toContain('\u001b');
});

it('gives one record with --json', async () => {
  const { out, code } = await doctor('--json', BROKEN);
  const record = JSON.parse(out) as { v: number; type: string; problems: number; findings: { name: string; status: string }[] };
  expect([code, record.v, record.type, record.problems]).toEqual([3, 2, 'doctor', 2]);
  expect(record.findings.find(({ name }) => name === 'node')).toEqual({
    ...{ name: 'node', status: 'problem', found: 'Node 18.0.0, and 20.19 or newer is needed', figures: { version: '18.0.0' } },
    next: 'Install a current version of Node: https://nodejs.org, or with a version manager.',
  });
});

it('looks at the way with --host, as a worker would go it', async () => {
  const { asked, code, out } = await doctor('--host 10.0.0.5 --token-file t');
  expect(asked).toEqual({
    endpoint: { host: '10.0.0.5', port: 29_500 },
    token: { kind: 'file', path: 't' },
    encryption: { kind: 'psk' },
  });
  expect([code, out]).toEqual([3, expect.stringContaining('problem name        no address is known for 10.0.0.5') as string]);
  expect((await doctor('')).asked).toBe(null);
});

describe('on this machine', () => {
  it('really looks, computes, and says nothing on standard error', () => {
    const { code, out, err } = runCli(['doctor', '--json']);
    expect(err).toBe('');
    const { findings, problems } = JSON.parse(out) as {
      problems: number;
      findings: { name: string; status: string; figures?: Record<string, unknown> }[];
    };
    expect(code, out).toBe(problems === 0 ? 0 : 3);
    expect(findings.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'system',
        'node',
        'tensorflow',
        'python',
        'cache',
        'processor',
        'onednn',
        'resources',
        'ulimits',
        'clock',
        'ports',
        'gpus',
        'on cpu(0)',
      ]),
    );
    expect(findings.find(({ name }) => name === 'node')?.figures).toEqual({ version: process.versions.node });
    expect(findings.find(({ name }) => name === 'on cpu(0)')?.figures).toMatchObject({ right: true, tensorflow: '2.21.0' });
  });
});
