/** One step as bars on a line of time: a lane for the coordinator, one for each replica. */
import type { Lane, Timeline } from '../messages.js';
import { element, legend, row, shown } from './elements.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 1000;
const NAMES = 130;
const LANE = 20;
/** More would be a wall. */
const MOST_LANES = 32;
const PHASES: Readonly<Record<string, string>> = {
  data: '#56b4e9',
  reduce: '#cc79a7',
  apply: '#e69f00',
  publish: '#d55e00',
};
const COMPUTE = '#0072b2';
const EXCHANGE = '#9ecae1';
const WAIT = 'rgba(128, 128, 128, 0.25)';
const LEGEND = [
  ['computing', COMPUTE],
  ['exchanging', EXCHANGE],
  ['waiting', WAIT],
  ['drawing the batch', PHASES.data],
  ['adding gradients', PHASES.reduce],
  ['optimizer', PHASES.apply],
  ['handing weights out', PHASES.publish],
] as const;

export function drawTimeline(place: HTMLElement, { phases, lanes }: Timeline): void {
  const stepMs = Object.values(phases).reduce((sum, ms) => sum + ms, 0);
  const shownLanes = lanes.slice(0, MOST_LANES);
  const svg = make('svg', { viewBox: `0 0 ${WIDTH} ${(shownLanes.length + 1) * LANE + 20}`, role: 'img' });
  const x = (ms: number): number => NAMES + (Math.min(ms, stepMs) / (stepMs || 1)) * (WIDTH - NAMES);
  const bar = (lane: number, [from, to]: readonly [number, number], fill: string, title: string): void => {
    if (to <= from) return;
    const rect = make('rect', { x: x(from), y: lane * LANE + 2, width: Math.max(0.5, x(to) - x(from)), height: LANE - 5, fill });
    const tip = make('title', {});
    tip.textContent = `${title}: ${shown(to - from)} ms`;
    rect.append(tip);
    svg.append(rect);
  };
  const label = (text: string, at: readonly [number, number], anchor: string): void => {
    const made = make('text', { x: at[0], y: at[1], 'text-anchor': anchor });
    made.textContent = text;
    svg.append(made);
  };
  label('coordinator', [NAMES - 8, LANE - 6], 'end');
  let at = 0;
  for (const [phase, ms] of Object.entries(phases)) {
    if (Object.hasOwn(PHASES, phase)) bar(0, [at, at + ms], PHASES[phase], phase);
    at += ms;
  }
  shownLanes.forEach((lane, index) => {
    label(lane.replica.length > 20 ? `…${lane.replica.slice(-19)}` : lane.replica, [NAMES - 8, (index + 2) * LANE - 6], 'end');
    bar(index + 1, [0, stepMs], WAIT, 'waiting');
    bar(index + 1, [lane.start, lane.end], EXCHANGE, 'exchanging');
    // Weights come before and gradients go after; how much of each, nobody measured.
    const exchange = exchangeOf(lane);
    bar(index + 1, [lane.start + exchange / 2, lane.end - exchange / 2], COMPUTE, 'computing');
  });
  const y = (shownLanes.length + 1) * LANE + 14;
  label('0 ms', [NAMES, y], 'start');
  label(`${shown(stepMs)} ms`, [WIDTH, y], 'end');
  const more = lanes.length > MOST_LANES ? [element('div', `and ${lanes.length - MOST_LANES} more replicas`)] : [];
  place.replaceChildren(svg, ...more, legend(LEGEND));
}

const exchangeOf = ({ start, end, compute }: Lane): number => Math.max(0, end - start - compute);

export function drawReplicas(table: HTMLElement, { phases, lanes }: Timeline): void {
  const stepMs = Object.values(phases).reduce((sum, ms) => sum + ms, 0) || 1;
  const share = (ms: number): string => `${Math.max(0, (100 * ms) / stepMs).toFixed(0)} %`;
  const head = row(['replica', 'computing', 'exchanging', 'waiting', 'weights it computed from'], { tag: 'th' });
  const hashes = new Set(lanes.flatMap(({ parameters }) => parameters ?? []));
  const rows = lanes.map((lane) => {
    const exchange = exchangeOf(lane);
    const busy = Math.min(lane.compute, lane.end - lane.start);
    const weights =
      lane.parameters === null
        ? "the run's own memory"
        : `crc32 ${lane.parameters}${hashes.size === 1 ? ', as the coordinator' : ' DIFFERS'}`;
    return row([lane.replica, share(busy), share(exchange), share(stepMs - busy - exchange), weights]);
  });
  table.replaceChildren(head, ...rows);
}

function make(tag: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
