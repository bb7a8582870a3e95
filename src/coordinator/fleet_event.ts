import type { RunEvent } from '../common/run_events.js';
import type { FleetNote } from './planes/exact/fleet/fleet_options.js';

/** A fleet's plain sentence as a run event. */
export function eventOf({ level, code, worker, message }: FleetNote): RunEvent {
  if (code === 'join' || code === 'leave' || code === 'lost') return { type: `worker_${code}`, worker, detail: message };
  return { type: level === 'error' ? 'error' : 'warn', code, message };
}
