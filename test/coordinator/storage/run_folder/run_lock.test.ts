import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../../../src/coordinator/storage/files/file_system.js';
import type { ProcessIdentity, ProcessTable } from '../../../../src/coordinator/storage/run_folder/process_identity.js';
import { systemProcesses } from '../../../../src/coordinator/storage/run_folder/process_identity.js';
import { acquireRunLock } from '../../../../src/coordinator/storage/run_folder/run_lock.js';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryDisk } from '../../../support/memory_disk.js';

/** One host per scope; the processes in `dead` are dead, all others live. */
function processesOf(self: ProcessIdentity, dead: ReadonlySet<number> = new Set()): ProcessTable {
  return { self: () => self, isAlive: ({ pid, scope }) => (scope === self.scope ? !dead.has(pid) : null) };
}
const onHostA = (pid: number): ProcessIdentity => ({ pid, startedAt: '1', scope: 'host-a · boot · ns' });
const onHostB = (pid: number): ProcessIdentity => ({ pid, startedAt: '1', scope: 'host-b · boot · ns' });

async function disk(): Promise<MemoryDisk> {
  const made = new MemoryDisk();
  await made.createFolder('/run');
  return made;
}

describe('the lock of a run', () => {
  it('counts the starts: 1, 2, 3', async () => {
    const fileSystem = await disk();
    for (const wanted of [1, 2, 3]) {
      const lock = await acquireRunLock({ folder: '/run', fileSystem });
      expect(lock.coordinatorEpoch).toBe(wanted);
      await lock.requireHeld();
      await lock.release();
      await lock.release();
    }
    expect(fileSystem.names('/run')).toEqual(['released-000003']);
  });

  it('is refused to a second process, and to this one a second time', async () => {
    const fileSystem = await disk();
    const lock = await acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(10)) });
    const refusal = { code: 'RUN_IN_USE', message: '/run is in use by process 10 on host-a' };
    await expect(acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(11)) })).rejects.toMatchObject(
      refusal,
    );
    await expect(acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(10)) })).rejects.toMatchObject(
      refusal,
    );
    await lock.release();
    const next = await acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(11)) });
    expect(next.coordinatorEpoch).toBe(2);
    await next.release();
  });

  it('keeps the id of the run over all its starts, and another folder has another', async () => {
    const [one, other] = [await disk(), await disk()];
    const ids: string[] = [];
    for (const fileSystem of [one, one, other]) {
      const lock = await acquireRunLock({ folder: '/run', fileSystem });
      ids.push(lock.runId);
      await lock.release();
    }
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
  });

  it('that was deleted while its holder was stopped is not taken for a rival’s of the same number', async () => {
    const fileSystem = await disk();
    const stopped = await acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(10)) });
    await fileSystem.removeFile('/run/lock-000001');
    const rival = await acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(11)) });
    expect(rival.coordinatorEpoch).toBe(stopped.coordinatorEpoch);
    await expect(stopped.requireHeld()).rejects.toMatchObject({ code: 'RUN_TAKEN_OVER' });
    await stopped.release();
    await rival.requireHeld();
    await rival.release();
    expect(fileSystem.names('/run')).toEqual(['released-000001']);
  });

  it('is taken over from a process that died, and fences it', async () => {
    const fileSystem = await disk();
    const first = await acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(10)) });
    const second = await acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(11), new Set([10])) });
    expect(second.coordinatorEpoch).toBe(2);
    await expect(first.requireHeld()).rejects.toMatchObject({ code: 'RUN_TAKEN_OVER', exitCode: 7 });
    await second.requireHeld();
    await second.release();
    await first.release();
    expect(fileSystem.names('/run')).toEqual(['released-000002']);
  });

  it('that is deleted is told as that, not as a rival', async () => {
    const fileSystem = await disk();
    const lock = await acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(10)) });
    await fileSystem.removeFile('/run/lock-000001');
    await expect(lock.requireHeld()).rejects.toMatchObject({ code: 'RUN_FOLDER_GONE', exitCode: 7 });
    await lock.release();
  });

  it('of another host is watched: refused when it beats, taken when it is silent', async () => {
    const fileSystem = await disk();
    await acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(10)) });
    const messages: string[] = [];
    const take = (wait: () => Promise<unknown>) =>
      acquireRunLock({
        folder: '/run',
        fileSystem,
        processes: processesOf(onHostB(10)),
        wait,
        onWaiting: (message) => messages.push(message),
      });
    const beating = async () => {
      fileSystem.clockMs += 5_000;
      await fileSystem.touch('/run/lock-000001');
    };
    await expect(take(beating)).rejects.toMatchObject({ code: 'RUN_IN_USE' });
    expect((await take(async () => undefined)).coordinatorEpoch).toBe(2);
    expect(messages[0]).toBe(
      '/run was in use by process 10 on host-a, which cannot be asked from here; watching for 20 s whether it still lives',
    );
  });

  it('goes to exactly one of several that come at once', async () => {
    const fileSystem = await disk();
    await acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(1)) });
    const rivals = [2, 3, 5, 7, 11].map((pid) =>
      acquireRunLock({ folder: '/run', fileSystem, processes: processesOf(onHostA(pid), new Set([1])) }),
    );
    const outcomes = await Promise.allSettled(rivals);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('survives a folder without hard links', async () => {
    const fileSystem = await disk();
    fileSystem.failWith = (call) => (call === 'link' ? 'ENOTSUP' : null);
    const lock = await acquireRunLock({ folder: '/run', fileSystem });
    await expect(acquireRunLock({ folder: '/run', fileSystem })).rejects.toMatchObject({ code: 'RUN_IN_USE' });
    await lock.release();
  });

  it('is not kept from the next start by a folder that was deleted under the holder', async () => {
    const fileSystem = await disk();
    const lock = await acquireRunLock({ folder: '/run', fileSystem });
    for (const name of fileSystem.names('/run')) await fileSystem.removeFile(`/run/${name}`);
    await fileSystem.removeFolder('/run');
    await lock.release();
    await expect(lock.requireHeld()).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('processes', () => {
  it('are told apart from later ones with the same number', async () => {
    const child = spawn('sleep', ['60']);
    const own = systemProcesses.self();
    const identity = { ...own, pid: child.pid ?? 0, startedAt: 'not this one' };
    expect(systemProcesses.isAlive(own)).toBe(true);
    if (own.startedAt !== null) expect(systemProcesses.isAlive(identity)).toBe(false);
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(systemProcesses.isAlive({ ...identity, startedAt: null })).toBe(false);
    expect(systemProcesses.isAlive({ ...own, scope: 'elsewhere' })).toBeNull();
  });

  it.runIf(process.platform === 'linux')('have ended where only their parent has not asked for it', async () => {
    // sleep has a child that it did not start and never asks for.
    const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      const pid = Number(await new Promise((heard) => parent.stdout.once('data', (text: Buffer) => heard(text.toString()))));
      const identity = { ...systemProcesses.self(), pid, startedAt: null };
      await expect.poll(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8').trim()).toBe('sleep');
      expect(systemProcesses.isAlive(identity)).toBe(true);
      process.kill(pid, 'SIGKILL');
      await expect.poll(() => readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ');
      expect(systemProcesses.isAlive(identity)).toBe(false);
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('lock real folders', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'run-lock-'));
    const lock = await acquireRunLock({ folder, fileSystem: nodeFileSystem });
    await expect(acquireRunLock({ folder, fileSystem: nodeFileSystem })).rejects.toMatchObject({ code: 'RUN_IN_USE' });
    await lock.release();
    rmSync(folder, { recursive: true });
  });
});
