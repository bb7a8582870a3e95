/** The dashboard's page: what is known of the run, drawn anew with each message. */
import type { Happened } from '../messages.js';
import { Chart, type ChartData, type Line } from './chart.js';
import { byId, element, row, shown } from './elements.js';
import { Known } from './known.js';
import { ask, listen } from './stream.js';
import { drawReplicas, drawTimeline } from './timeline.js';

const known = new Known();
const charts = new Map<string, Chart>();

function draw(): void {
  const { facts, step } = known;
  document.title = facts === null ? 'tfjs-parallel' : `${facts.name} · ${known.state}`;
  byId('name').textContent = facts?.name ?? 'tfjs-parallel';
  byId('about').textContent = facts === null ? '' : `${facts.model} · ${facts.data} · ${facts.shards} shards`;
  drawTiles();
  drawCharts();
  if (step !== null) {
    byId('step-title').textContent =
      `Step ${step.step} (epoch ${step.epoch}, ${step.stepInEpoch}${step.stepsPerEpoch === null ? '' : ` of ${step.stepsPerEpoch}`})`;
    drawTimeline(byId('timeline'), step);
    drawReplicas(byId('replicas'), step);
  }
  drawHappened(known.happened);
  const isOver = known.state.startsWith('ended');
  for (const id of ['save', 'end']) (byId(id) as HTMLButtonElement).disabled = isOver || (id === 'end' && known.ending);
  if (known.ending && !isOver) byId('said').textContent = 'It stops after this epoch.';
}

function drawTiles(): void {
  const { facts, step, best } = known;
  const last = known.points.at(-1);
  const tiles: (readonly [string, string])[] = [['state', known.state]];
  if (facts !== null) tiles.push(['epoch', `${step?.epoch ?? known.epochs.length} of ${facts.epochs}`]);
  if (step !== null) tiles.push(['step', shown(step.step)], ['replicas', String(step.lanes.length)]);
  if (last !== undefined) {
    const share = last.ideal === null ? '' : ` (${Math.round((100 * last.pace) / last.ideal)} % of N × one)`;
    tiles.push(['loss', shown(last.loss)], ['examples a second', `${shown(last.pace)}${share}`]);
  }
  if (facts !== null && best !== null)
    tiles.push([`best ${facts.monitor.name}`, `${shown(best.values[facts.monitor.name])} at epoch ${best.epoch}`]);
  byId('tiles').replaceChildren(
    ...tiles.map(([name, value]) => {
      const tile = element('div', name);
      tile.append(element('b', value));
      return tile;
    }),
  );
}

function drawCharts(): void {
  const { points, facts } = known;
  const best = known.best?.epoch;
  const marks = best === undefined ? [] : [{ x: best, color: '#888' }];
  for (const name of known.names.length === 0 && points.length > 0 ? ['loss'] : known.names) {
    const steps = points.map(({ at, loss }) => [at, loss] as const);
    const level = facts?.target != null && facts.monitor.name.replace(/^val_/, '') === name ? facts.target : null;
    chart(name, {
      lines: [
        ...(name === 'loss' ? [{ name: 'steps', points: steps, isFaint: true }] : []),
        line('training', name),
        line('validation', `val_${name}`),
      ],
      marks,
      level,
    });
  }
  const incidents = known.happened.flatMap(({ at, kind }) =>
    at !== null && INCIDENTS[kind] ? [{ x: at, color: INCIDENTS[kind] }] : [],
  );
  const pace = points.map(({ at, pace }) => [at, pace] as const);
  const ideal = points.map(({ at, ideal }) => [at, ideal] as const);
  chart('examples a second', {
    lines: [
      { name: 'measured', points: pace },
      { name: 'N × one replica', points: ideal, isFaint: true },
    ],
    marks: incidents,
  });
  chart('learning rate', { lines: [{ name: 'learning rate', points: points.map(({ at, rate }) => [at, rate] as const) }] });
}

const INCIDENTS: Partial<Record<Happened['kind'], string>> = { join: '#009e73', leave: '#e69f00', loss: '#d55e00' };

function line(name: string, key: string): Line {
  return { name, points: known.epochs.flatMap(({ epoch, values }) => (key in values ? [[epoch, values[key]] as const] : [])) };
}

function chart(title: string, data: ChartData): void {
  if (data.lines.every(({ points }) => points.length === 0)) return;
  if (!charts.has(title)) charts.set(title, new Chart(byId('charts'), title));
  charts.get(title)?.draw(data);
}

function drawHappened(happened: readonly Happened[]): void {
  const rows = [...happened]
    .reverse()
    .map(({ time, text, kind }) => row([time.slice(0, 19).replace('T', ' '), text], { className: kind }));
  byId('happened').replaceChildren(...rows);
}

async function wish(path: '/save' | '/end', done: string): Promise<void> {
  const said = byId('said');
  said.textContent = '…';
  const response = await ask(path, 'POST').catch(() => null);
  said.textContent = response?.ok ? done : 'The run did not take it.';
}

/** A click that ends something is asked for twice. */
function confirmed(button: HTMLElement, run: () => void): void {
  const words = button.textContent;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const calm = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    button.textContent = words;
  };
  button.addEventListener('click', () => {
    if (timer !== null) {
      calm();
      return run();
    }
    button.textContent = 'Click again to stop after this epoch';
    timer = setTimeout(calm, 4000);
  });
}

byId('save').addEventListener('click', () => void wish('/save', 'A state is written after this step.'));
confirmed(byId('end'), () => void wish('/end', 'It stops after this epoch.'));
addEventListener('hashchange', () => location.reload());
void listen({
  onMessage(message) {
    known.take(message);
    draw();
  },
  onTrouble: (text) => (byId('link').textContent = text),
});
