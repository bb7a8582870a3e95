/**
 * Owns: what befalls a cluster in one run of `npm run chaos`, a function for each kind.
 * Does not: start processes (processes.mjs), or judge the end (scripts/chaos.mjs).
 */
import { attack } from './attack.mjs';
import { seconds, sleep } from './processes.mjs';

/** For people, and for --kinds. */
export const KINDS = 'kill,kill,kill,all,churn,churn,stop,reset,cut,stall,loss,slow,attack,coordinator';

/**
 * `run` has what a scenario acts on: its `coordinator` (which a scenario may replace), `workers` as a set of processes, `join(port?)`, `restart()`, `proxy`, `random`, `lengthMs`, and
 * what it is told: `say(text)`, `killed(count)`.
 */
export function scenariosOf(run, { stopS, frames, build, token }) {
  const { workers, join, proxy, random, lengthMs, say } = run;
  const below = (n) => Math.floor(random() * n);
  const anyWorker = () => [...workers][below(workers.size)].child;
  const untilOver = (ms) => Promise.race([sleep(ms), run.coordinator.ended]);
  const later = async (most) => {
    const ms = below(most);
    say(seconds(ms));
    await untilOver(ms);
  };
  const two = async (port) => {
    join(port);
    join(port);
    await run.coordinator.joined;
  };
  async function troubled(trouble, cure, ms, text) {
    join(proxy.port);
    join();
    await run.coordinator.joined;
    await later(lengthMs / 2);
    say(text);
    proxy.set(trouble);
    await untilOver(ms);
    proxy.set(cure);
    // Bytes are missing from what was on its way: the connection cannot go on.
    if (trouble.lose !== undefined) proxy.resetAll();
  }
  return {
    async none() {
      for (let i = 0; i < 3; i++) join();
      await run.coordinator.joined;
    },
    async attack() {
      join();
      await run.coordinator.joined;
      const goesOn = () => !run.coordinator.over;
      const { text, end } = await attack({ port: run.port, token, random, build, frames, goesOn });
      say(`${text} ${run.coordinator.over ? 'until it ended' : 'while it ran'}`);
      join();
      await run.coordinator.ended;
      end();
    },
    async late() {
      join();
      await run.coordinator.joined;
      await later(lengthMs);
      join();
      say('another joins');
    },
    async kill() {
      await two();
      for (let i = 0; i < 3 && !run.coordinator.over; i++) {
        await later(lengthMs / 3);
        if (run.coordinator.over || workers.size === 0) break;
        anyWorker().kill('SIGKILL');
        run.killed(1);
        say('kill -9');
        await later(500);
        join();
      }
    },
    async all() {
      await two();
      await later(lengthMs);
      for (const { child } of workers) child.kill('SIGKILL');
      run.killed(workers.size);
      say('kill -9 of all');
      await later(1000);
      join();
    },
    async churn() {
      join();
      await run.coordinator.joined;
      for (let i = 0; i < 6 && !run.coordinator.over; i++) {
        await later(lengthMs / 3);
        const grow = workers.size < 2 || (i < 3 && random() < 0.7);
        say(grow ? 'join' : 'leave');
        if (grow) join();
        else anyWorker().kill('SIGINT');
      }
      if (workers.size === 0) join();
    },
    async stop() {
      const victim = join();
      join();
      await run.coordinator.joined;
      await later(lengthMs / 2);
      victim.child.kill('SIGSTOP');
      say(`SIGSTOP for ${stopS} s`);
      await untilOver(1000 * stopS);
      victim.child.kill('SIGCONT');
    },
    async reset() {
      await two(proxy.port);
      for (let i = 0; i < 3; i++) {
        await later(lengthMs / 2);
        proxy.resetAll();
        say('reset');
      }
    },
    async cut() {
      const bytes = below(3_000_000);
      say(`reset at byte ${bytes}`);
      proxy.set({ resetAtByte: bytes });
      join(proxy.port);
      join();
      await later(lengthMs);
      proxy.set({ resetAtByte: undefined });
    },
    stall: () => troubled({ stalled: true }, { stalled: false }, 12_000, 'stall for 12 s'),
    loss: () => troubled({ lose: random() < 0.5 ? 'up' : 'down' }, { lose: undefined }, 12_000, 'one-way loss for 12 s'),
    slow: () => troubled({ delayMs: 20, bytesPerS: 1_000_000 }, { delayMs: 0, bytesPerS: 0 }, 3_000, '1 MB/s and 20 ms for 3 s'),
    async coordinator() {
      await two();
      await later(lengthMs);
      if (run.coordinator.over) return;
      run.coordinator.child.kill('SIGKILL');
      await run.coordinator.ended;
      say('kill -9 of the coordinator');
      run.restart();
    },
  };
}
