import { createServer } from 'node:net';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { RunEvent } from '../../../src/common/run_events.js';
import { runRecordLine } from '../../../src/common/run_record.js';
import { RunWishes } from '../../../src/common/run_wishes.js';
import { openDashboard } from '../../../src/report/dashboard/open_dashboard.js';
import type { PageMessage } from '../../../src/report/dashboard/messages.js';
import { Known } from '../../../src/report/dashboard/page/known.js';
import { SAMPLE_START, sampleEnd, sampleEpoch, sampleStep } from '../../support/run_events_sample.js';
import { temporaryFolder } from '../../support/temporary_folder.js';

const TOKEN = 'A'.repeat(43);
const HOST = '127.0.0.1';

async function dashboard({ port = 0, mayMove = false } = {}) {
  const wishes = new RunWishes();
  const warned: RunEvent[] = [];
  const warn = (event: RunEvent) => void warned.push(event);
  const opened = await openDashboard({ listen: { host: HOST, port }, linkHost: HOST, mayMove, token: TOKEN, wishes, warn });
  onTestFinished(() => opened.close());
  const { origin } = new URL(opened.link);
  const headers = { authorization: `Bearer ${TOKEN}` };
  return {
    ...{ opened, wishes, warned, port: Number(new URL(origin).port) },
    post: async (path: string) => (await fetch(`${origin}${path}`, { method: 'POST', headers })).status,
    /** A page that looks until the dashboard ends. */
    async look() {
      const known = new Known();
      const response = await fetch(`${origin}/events`, { headers });
      const over = (async () => {
        let rest = '';
        for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
          const parts = (rest + Buffer.from(chunk).toString()).split('\n\n');
          rest = parts.pop() ?? '';
          for (const part of parts) if (part.startsWith('data: ')) known.take(JSON.parse(part.slice(6)) as PageMessage);
        }
      })();
      return { known, over };
    },
  };
}

it('tells all there is of a run, what is waited for, and the end as its last word', async () => {
  const { opened, look } = await dashboard();
  opened.wait('waiting for workers');
  const waiting = await look();
  await expect.poll(() => waiting.known.state).toBe('waiting for workers');
  const before: RunEvent[] = [
    SAMPLE_START,
    sampleStep({ epoch: 1, stepInEpoch: 3 }),
    sampleEpoch({ epoch: 1, valAcc: 0.5, saved: true }),
  ];
  const folder = await temporaryFolder({ 'metrics.jsonl': before.map(runRecordLine).join('') });
  mkdirSync(join(folder, 'logs'));
  opened.inFolder(folder);
  opened.observer(SAMPLE_START);
  opened.observer(sampleStep({ epoch: 2, stepInEpoch: 1 }));
  const late = await look();
  await expect.poll(() => late.known.step?.epoch).toBe(2);
  opened.observer(sampleEnd());
  await opened.close();
  await Promise.all([waiting.over, late.over]);
  for (const { known } of [waiting, late]) {
    expect(known.state).toBe('ended (done)');
    expect(known.epochs.map(({ epoch }) => epoch)).toEqual([1]);
    expect(known.points.map(({ at }) => at)).toEqual([1, 1.33333]);
  }
});

it('hands on what a viewer wishes', async () => {
  const { wishes, post, look } = await dashboard();
  const { known } = await look();
  expect(await post('/save')).toBe(204);
  await expect.poll(() => wishes.takeSave()).toBe(true);
  expect([wishes.takeSave(), wishes.endsAfterEpoch]).toEqual([false, false]);
  expect(await post('/end')).toBe(204);
  await expect.poll(() => wishes.endsAfterEpoch).toBe(true);
  await expect.poll(() => known.ending).toBe(true);
});

it('says who has the port, or takes another where it may', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, HOST, resolve));
  onTestFinished(() => void other.close());
  const { port } = other.address() as { port: number };
  await expect(dashboard({ port })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    next: expect.stringContaining('--dashboard') as string,
  });
  expect((await dashboard({ port, mayMove: true })).port).not.toBe(port);
});
