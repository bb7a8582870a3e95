/** Owns: the machine's clock: certificates and the records of a run go by it. That of a coordinator is compared by `way`. */
import type { Check, Finding } from '../check.js';

/** This code is no older. */
const LEAST_MS = Date.UTC(2026, 0, 1);
const MOST_MS = Date.UTC(2100, 0, 1);
/** Read at each step, in some ns; others take a system call of some µs. */
const FAST_SOURCES = /^(tsc|kvm-clock|arch_sys_counter|hyperv_clocksource_tsc_page)$/;

export const clock: Check = {
  name: 'clock',
  find({ machine }): Finding[] {
    const nowMs = machine.nowMs();
    const source = machine.read('/sys/devices/system/clocksource/clocksource0/current_clocksource')?.trim() ?? null;
    const found = `${new Date(nowMs).toISOString().replace(/\.\d+/, '')}${source === null ? '' : `, from ${source}`}`;
    const figures = { unix_ms: nowMs, source };
    if (nowMs < LEAST_MS || nowMs > MOST_MS)
      return [
        {
          status: 'problem',
          found,
          means: 'That cannot be: certificates do not hold, and downloads over HTTPS fail.',
          next: 'Set the clock (sudo timedatectl set-ntp true).',
          figures,
        },
      ];
    if (source !== null && !FAST_SOURCES.test(source))
      return [
        {
          status: 'note',
          found,
          means: 'Reading this clock takes a system call, some µs; TensorFlow reads it at every operation.',
          figures,
        },
      ];
    return [{ status: 'ok', found, figures }];
  },
};
