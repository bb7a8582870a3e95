/**
 * Owns: what each replica does, a line for each, or for each machine where they are many: what share of a step it computes, exchanges and waits.
 * Does not: draw (text.ts).
 */
import type { StepEvent, WorkerEvent } from '../common/run_events.js';

interface Shares {
  readonly compute: number;
  readonly exchange: number;
}

interface Known {
  shares: Shares;
  lastStep: number;
  isLost: boolean;
}

/** More lines than this would push the report out of sight. */
const MOST_LINES = 8;
/** Weight of the newest step: single steps jump. */
const SMOOTHING = 0.2;
/** A name is cut beyond this. */
const NAME_COLUMNS = 24;

export class ReplicaLines {
  readonly #known = new Map<string, Known>();
  #step = 0;

  /** `names`: those that are there from the start. */
  constructor(names: readonly string[]) {
    for (const name of names) this.#known.set(name, { shares: { compute: 0, exchange: 0 }, lastStep: 0, isLost: false });
  }

  took({ step, phasesMs, replicaTimes }: StepEvent): void {
    this.#step = step;
    const stepMs = Object.values(phasesMs).reduce((sum: number, ms: number) => sum + ms, 0);
    if (stepMs <= 0) return;
    for (const { replica, computeMs, startMs, endMs } of replicaTimes) {
      const spent = Math.min(stepMs, Math.max(0, endMs - startMs));
      const compute = Math.min(computeMs, spent) / stepMs;
      const now = { compute, exchange: spent / stepMs - compute };
      const before = this.#known.get(replica);
      const isFirst = before === undefined || before.lastStep === 0;
      const shares = isFirst
        ? now
        : { compute: mixed(before.shares.compute, now.compute), exchange: mixed(before.shares.exchange, now.exchange) };
      this.#known.set(replica, { shares, lastStep: step, isLost: false });
    }
  }

  /** Who left is shown no more; who was lost is, as lost, until it is back. */
  heard({ type, worker }: WorkerEvent): void {
    for (const [name, known] of this.#known) {
      if (name !== worker && machineOf(name) !== worker) continue;
      if (type === 'worker_leave') this.#known.delete(name);
      known.isLost = type === 'worker_lost';
    }
  }

  /** Each in at most `columns`. `besides`: what else is known of a replica, or nothing. */
  lines({ columns, besides = () => '' }: { columns: number; besides?: (replica: string) => string }): string[] {
    const rows = [...this.#known].map(([name, known]) => ({ name, known: [known] }));
    const grouped = rows.length > MOST_LINES ? byMachine(rows) : rows;
    const shown = grouped.length > MOST_LINES ? grouped.slice(0, MOST_LINES - 1) : grouped;
    const width = Math.min(NAME_COLUMNS, Math.max(0, ...shown.map(({ name }) => name.length)));
    const lines = shown.map(({ name, known }) => {
      const named = `${cut(name, width)}  ${this.#words(known)}`;
      const fits = named.length <= columns ? named : `${cut(name, width)}  ${this.#words(known, { short: true })}`;
      return `${fits}  ${besides(name)}`.trimEnd();
    });
    if (shown.length < grouped.length) lines.push(`and ${grouped.length - shown.length} more`);
    return lines.map((line) => line.slice(0, Math.max(0, columns)));
  }

  /** Means over those that are not lost. */
  #words(known: readonly Known[], { short = false } = {}): string {
    const here = known.filter(({ isLost }) => !isLost);
    const count = known.length === 1 ? '' : `${here.length} replicas  `;
    if (here.length === 0) return `${count}lost`;
    if (here.every(({ lastStep }) => lastStep === 0)) return `${count}waiting for its first shard`;
    const idle = this.#step - Math.max(...here.map(({ lastStep }) => lastStep));
    if (idle > 0) return `${count}idle for ${idle} steps`;
    const mean = (pick: (shares: Shares) => number): number =>
      here.reduce((sum, { shares }) => sum + pick(shares), 0) / here.length;
    const [compute, exchange] = [mean((shares) => shares.compute), mean((shares) => shares.exchange)];
    const percent = (part: number): number => Math.round(100 * Math.max(0, part));
    const brief = (part: number): string => `${percent(part)}%`.padStart(4);
    if (short) return `${count}comp ${brief(compute)}  exch ${brief(exchange)}  wait ${brief(1 - compute - exchange)}`;
    const share = (part: number): string => `${percent(part)} %`.padStart(5);
    return `${count}computing ${share(compute)}  exchanging ${share(exchange)}  waiting ${share(1 - compute - exchange)}`;
  }
}

const mixed = (before: number, now: number): number => before + SMOOTHING * (now - before);

/** `host-b` of `host-b:gpu(0)`; a replica of this machine is its own. */
const machineOf = (name: string): string => (name.includes(':') ? name.slice(0, name.lastIndexOf(':')) : 'this machine');

function byMachine(rows: readonly { name: string; known: Known[] }[]): { name: string; known: Known[] }[] {
  const groups = new Map<string, Known[]>();
  for (const { name, known } of rows) groups.set(machineOf(name), [...(groups.get(machineOf(name)) ?? []), ...known]);
  return [...groups].map(([name, known]) => ({ name, known }));
}

const cut = (name: string, width: number): string =>
  name.length > width ? `…${name.slice(name.length - width + 1)}` : name.padEnd(width);
