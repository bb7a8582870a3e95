import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import type { RunEvent } from '../../../src/common/run_events.js';
import { runRecord, runRecordLine } from '../../../src/common/run_record.js';
import { loadDrawing } from '../../../src/report/files/drawing.js';
import { ReportFolder } from '../../../src/report/files/report_folder.js';
import { SAMPLE_START, sampleEnd, sampleEpoch, sampleStep } from '../../support/run_events_sample.js';
import { temporaryFolder } from '../../support/temporary_folder.js';

const BUNDLE = resolve('build/vendor/plot.js');

const noDrawing = () => Promise.resolve(null);

const EPOCHS = (epoch: number): RunEvent[] => [
  ...[1, 2, 3].map((stepInEpoch) => sampleStep({ epoch, stepInEpoch })),
  sampleEpoch({ epoch, valAcc: epoch / 4, saved: epoch === 1 }),
];

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await temporaryFolder(files);
  mkdirSync(join(folder, 'logs'), { recursive: true });
  return folder;
}

async function report(folder: string, events: readonly RunEvent[], drawn = false): Promise<void> {
  const drawing = () => (drawn ? loadDrawing(pathToFileURL(BUNDLE)) : Promise.resolve(null));
  const metricsBytes = statSync(join(folder, 'metrics.jsonl'), { throwIfNoEntry: false })?.size ?? 0;
  const place = new ReportFolder({ folder, metricsBytes, names: ['csv', 'page', 'tensorboard'], drawing, now: () => 1 });
  for (const event of events) place.add(runRecord(event));
  await place.write();
  place.close();
}

describe('the report in a run folder', () => {
  it('goes on after a resume: rows of the metrics there are, and an event file of its own', async () => {
    const before = [SAMPLE_START, ...EPOCHS(1)];
    const folder = await folderWith({ 'metrics.jsonl': before.map(runRecordLine).join('') });
    await report(folder, [{ ...SAMPLE_START, plan: { ...SAMPLE_START.plan, firstEpoch: 2 } }, ...EPOCHS(2), sampleEnd()]);
    expect(
      readFileSync(join(folder, 'results.csv'), 'utf8')
        .split('\n')
        .map((line) => line.split(',')[0]),
    ).toEqual(['epoch', '1', '2', '']);
    await report(folder, [...EPOCHS(1), ...EPOCHS(2)]);
    expect(readdirSync(join(folder, 'tensorboard')).map((name) => name.slice(0, 30))).toEqual([
      'events.out.tfevents.0000000001',
      'events.out.tfevents.0000000002',
    ]);
  });

  it('tells TensorBoard of a step that is in the metrics already when the report is opened, but of no earlier start', async () => {
    const [before, after] = [[SAMPLE_START, ...EPOCHS(1)], EPOCHS(2)].map((events) => events.map(runRecordLine).join(''));
    const folder = await folderWith({ 'metrics.jsonl': before + after });
    const metricsBytes = Buffer.byteLength(before);
    const place = new ReportFolder({ folder, metricsBytes, names: ['tensorboard'], drawing: noDrawing, now: () => 1 });
    for (const event of EPOCHS(2)) place.add(runRecord(event));
    place.close();
    const alone = await folderWith({});
    const wanted = new ReportFolder({ folder: alone, metricsBytes: 0, names: ['tensorboard'], drawing: noDrawing, now: () => 1 });
    for (const event of EPOCHS(2)) wanted.add(runRecord(event));
    wanted.close();
    const events = (of: string): Buffer => {
      const [name] = readdirSync(join(of, 'tensorboard'));
      return readFileSync(join(of, 'tensorboard', name));
    };
    expect(events(folder)).toEqual(events(alone));
  });

  it('has the graph of the step in each start’s event file, whenever it comes', async () => {
    const folder = await folderWith({});
    const graph = Buffer.from('a graph of some bytes');
    for (const [start, events] of [EPOCHS(1), EPOCHS(2)].entries()) {
      const place = new ReportFolder({ folder, metricsBytes: 0, names: ['tensorboard'], drawing: noDrawing, now: () => 1 });
      if (start === 0) place.addGraph(graph);
      for (const event of events) place.add(runRecord(event));
      if (start === 1) place.addGraph(graph);
      place.close();
    }
    const files = readdirSync(join(folder, 'tensorboard')).map((name) => readFileSync(join(folder, 'tensorboard', name)));
    expect(files.map((bytes) => bytes.indexOf(graph) > 0 && bytes.indexOf(graph) === bytes.lastIndexOf(graph))).toEqual([
      true,
      true,
    ]);
  });

  it('escapes what others named, and asks nothing of the network', async () => {
    const evil = '<img src=x onerror="alert(1)">';
    const log = `${JSON.stringify({ time: 'now', type: 'worker_lost', worker: evil, detail: `${evil} is gone` })}\n{"cut`;
    const folder = await folderWith({ 'config.yaml': `# ${evil}`, 'env.json': '{}' });
    writeFileSync(join(folder, 'logs', 'run.log'), log);
    await report(
      folder,
      [SAMPLE_START, { ...sampleEpoch({ epoch: 1, valAcc: 0.5, saved: true }), values: { loss: 1, [evil]: 2 } }],
      true,
    );
    const page = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(page).toContain('&#60;img src=x onerror=&#34;alert(1)&#34;&#62; is gone');
    expect(page).not.toContain('<img');
    expect(page).not.toMatch(/<[^>]*\b(src|href)=|url\(|@import/);
    expect(page).toContain(`default-src 'none'`);
  });

  it('draws a curve for the loss, each metric, the rate, the time and the pace', async () => {
    const folder = await folderWith({});
    await report(folder, [SAMPLE_START, ...EPOCHS(1), ...EPOCHS(2), sampleEnd()], true);
    const page = readFileSync(join(folder, 'report.html'), 'utf8');
    const titles = [...page.matchAll(/<figure><h2>([^<]*)<\/h2><svg/g)].map(([, title]) => title);
    expect(titles).toEqual(['loss', 'acc', 'learning rate', 'time of a step, ms', 'examples a second']);
    const svg = readFileSync(join(folder, 'results.svg'), 'utf8');
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" /);
    expect(svg.match(/<svg/g)?.length).toBe(svg.match(/<\/svg>/g)?.length);
  });

  it('draws a run without validation, of one epoch, and of none', async () => {
    const { values, ...epoch } = sampleEpoch({ epoch: 1, valAcc: 0, saved: false }) as {
      values: Record<string, number>;
    } & RunEvent;
    const alone = { ...epoch, values: { loss: values.loss } } as RunEvent;
    const warned = vi.spyOn(console, 'warn').mockReturnValue();
    for (const events of [[SAMPLE_START], [SAMPLE_START, alone], [SAMPLE_START, ...EPOCHS(1)]]) {
      const folder = await folderWith({});
      await report(folder, events, true);
      expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('</html>');
    }
    // What the library warns of would stand between a run's lines.
    expect(warned.mock.calls).toEqual([]);
    warned.mockRestore();
  });
});
