/**
 * Owns: the inside of the dashboard's thread: the door, the run's story, and twice a second what is new to who looks. A flood at the door is no delay
 * of a step.
 * Does not: judge who comes (door.ts), or tell a run anything: a viewer's wish goes to the main thread.
 */
import { openSync, closeSync, readFileSync, readSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { errorCode, errorMessage } from '../../common/error_facts.js';
import type { Endpoint } from '../../common/endpoint.js';
import type { RunRecord } from '../../common/run_record.js';
import { happeningsOf } from '../files/happenings.js';
import { recordsIn } from '../files/records_in.js';
import { openDoor, type OpenDoor, type Wish } from './door.js';
import { LiveStory } from './live_story.js';
import { Viewers } from './viewers.js';

/** `bytes`: how much of a file is history; what comes after it is told as records. */
export type DashboardMessage =
  | { readonly type: 'folder'; readonly folder: string; readonly bytes: { readonly metrics: number; readonly log: number } }
  | { readonly type: 'records'; readonly records: readonly RunRecord[] }
  | { readonly type: 'wait'; readonly what: string }
  | { readonly type: 'close' };

export type DashboardAnswer =
  | { readonly type: 'open'; readonly port: number }
  | { readonly type: 'refused'; readonly code: string; readonly message: string }
  | { readonly type: 'wish'; readonly wish: Wish }
  | { readonly type: 'closed' };

export interface DashboardData {
  readonly listen: Endpoint;
  readonly token: string;
}

const NEWS_MS = 500;
/** Without news for so long, a sign of life. */
const ALIVE_MS = 15_000;

const { listen, token } = workerData as DashboardData;
const answer = (value: DashboardAnswer): void => parentPort?.postMessage(value);

let story = new LiveStory('a run');
const viewers = new Viewers();
let toldMs = performance.now();

const tell = (): void => {
  const news = story.news();
  if (viewers.count === 0 || (news === null && performance.now() - toldMs < ALIVE_MS)) return;
  toldMs = performance.now();
  viewers.tell(news === null ? null : JSON.stringify(news));
};

const onWish = (wish: Wish): void => {
  answer({ type: 'wish', wish });
  if (wish === 'end') story.endAfterEpoch();
};

/** What is new is told to who was there before, so that nobody hears it twice. */
const onViewer: Parameters<typeof openDoor>[0]['onViewer'] = (response) => {
  tell();
  return viewers.add(response, () => JSON.stringify(story.all()));
};

let door: OpenDoor | null = null;
const timer = setInterval(tell, NEWS_MS);
try {
  const page = readFileSync(new URL('../../vendor/dashboard.html', import.meta.url), 'utf8');
  door = await openDoor({ listen, token, page, onViewer, onWish });
  answer({ type: 'open', port: door.port });
} catch (error) {
  answer({ type: 'refused', code: errorCode(error) ?? '', message: errorMessage(error) });
}

parentPort?.on('message', (message: DashboardMessage) => {
  switch (message.type) {
    case 'folder': {
      const { folder, bytes } = message;
      story = new LiveStory(basename(resolve(folder)));
      story.remember(
        recordsIn(firstBytes(join(folder, 'metrics.jsonl'), bytes.metrics)),
        happeningsOf(firstBytes(join(folder, 'logs', 'run.log'), bytes.log)),
      );
      if (viewers.count > 0) viewers.tell(JSON.stringify(story.all()));
      return void story.news();
    }
    case 'records':
      for (const record of message.records) story.add(record, new Date().toISOString());
      return;
    case 'wait':
      return story.waitFor(message.what);
    case 'close':
      return void close();
  }
});

async function close(): Promise<void> {
  clearInterval(timer);
  tell();
  viewers.close();
  // What was written last leaves with the turn after.
  await new Promise((resolve) => setTimeout(resolve, 50));
  await door?.close();
  answer({ type: 'closed' });
}

function firstBytes(path: string, length: number): string {
  if (length === 0) return '';
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, 0)).toString();
  } finally {
    closeSync(file);
  }
}
