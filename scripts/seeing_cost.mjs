/**
 * What is seen of a run, and what it costs the process that shows it: 95 steps a second of four replicas are told as a run tells them, in a process that does
 * nothing else; to nobody, to the files of a run's folder, to the dashboard, and to the dashboard with ten viewers (of another process, which read all they
 * are sent). Processor time of the whole process, all threads: a busy machine changes it little.
 *
 *     npm run build && node scripts/seeing_cost.mjs [SECONDS]      default 40 s each
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const STEPS_A_SECOND = 95;
const STEPS_AN_EPOCH = 300;
const REPLICAS = 4;
const VIEWERS = 10;

if (process.argv[2] === '--viewers') view(process.argv[3]);
else await measure(Number(process.argv[2] ?? 40));

async function measure(seconds) {
  let observe = () => undefined;
  let step = 0;
  const timer = setInterval(() => {
    const event = stepEvent(step++);
    observe(event);
    if (step % STEPS_AN_EPOCH === 0) observe(epochEvent(step / STEPS_AN_EPOCH));
  }, 1000 / STEPS_A_SECOND);
  const told = async (observer) => {
    observe = observer;
    await sleep(3_000);
    const first = step;
    const [before, begin] = [process.cpuUsage(), performance.now()];
    await sleep(seconds * 1000);
    const { user, system } = process.cpuUsage(before);
    return { share: (user + system) / 10 / (performance.now() - begin), perStepMs: (user + system) / 1000 / (step - first) };
  };
  const nobody = await told(() => undefined);
  tell('told to nobody', nobody);
  await toFiles(async (observer) => tell('to the files of the run folder', await told(observer), nobody));
  await toDashboard(async (dashboard) => {
    const alone = await told(dashboard.observer);
    tell('to the dashboard', alone, nobody);
    const viewers = spawn(process.execPath, [import.meta.filename, '--viewers', dashboard.link], { stdio: 'inherit' });
    tell(`to the dashboard, with ${VIEWERS} viewers`, await told(dashboard.observer), alone);
    viewers.kill();
  });
  clearInterval(timer);
}

function tell(what, { share, perStepMs }, than) {
  const more = than && `, ${(share - than.share).toFixed(2)} % more (${(perStepMs - than.perStepMs).toFixed(3)} ms a step)`;
  console.log(`${what}: ${share.toFixed(2)} % of a core${more ?? ''}`);
}

async function toFiles(use) {
  const { writeReport } = await import('../dist/report/files/write_report.js');
  const folder = mkdtempSync(join(tmpdir(), 'seeing-cost-'));
  mkdirSync(join(folder, 'logs'));
  try {
    const report = writeReport({ folder, names: ['csv', 'page', 'tensorboard'], warn: console.error });
    await use(report.observer);
    await report.close(new AbortController().signal);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function toDashboard(use) {
  const { openDashboard } = await import('../dist/report/dashboard/open_dashboard.js');
  const dashboard = await openDashboard({
    listen: { host: '127.0.0.1', port: 0 },
    ...{ mayMove: false, linkHost: '127.0.0.1', token: 'a'.repeat(43), warn: console.error },
    wishes: { saveNow() {}, endAfterEpoch() {} },
  });
  await use(dashboard);
  await dashboard.close();
}

/** As the page does, each its own stream. */
function view(link) {
  const { origin, hash } = new URL(link);
  for (let viewer = 0; viewer < VIEWERS; viewer++)
    get(`${origin}/events`, { headers: { authorization: `Bearer ${hash.slice(1)}` } }, (response) => {
      if (response.statusCode !== 200) throw new Error(`a viewer was answered ${response.statusCode}`);
      response.resume();
    });
}

function stepEvent(index) {
  const replicaTimes = Array.from({ length: REPLICAS }, (_, at) => ({
    ...{ replica: `cpu(${at})`, computeMs: 7 + at / 10, startMs: 0.5, endMs: 8.5 + at / 10, parameters: 'c0ffee00' },
  }));
  const [epoch, stepInEpoch] = [1 + Math.floor(index / STEPS_AN_EPOCH), 1 + (index % STEPS_AN_EPOCH)];
  return {
    ...{ type: 'step', epoch, step: index + 1, stepInEpoch, stepsPerEpoch: STEPS_AN_EPOCH },
    ...{ loss: 1 / (index + 1), epochValues: { loss: 1 / (index + 1), acc: 0.9 }, learningRate: 0.1, imagesPerS: 19000 },
    phasesMs: { data: 0.3, compute: 7.3, wait: 0.8, reduce: 0.7, apply: 0.4, publish: 0.1 },
    replicaTimes,
  };
}

function epochEvent(epoch) {
  const values = { loss: 1 / epoch, acc: 1 - 1 / (9 + epoch), val_loss: 1 / epoch, val_acc: 1 - 1 / (9 + epoch) };
  return { type: 'epoch', epoch, values, seconds: 3.2, imagesPerS: 19000, saved: false };
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
