/** docs/records.md has every key of every record, and no other. A key that events gain must be added below, or this does not compile. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type {
  EndEvent,
  EpochEvent,
  ReplicaTime,
  RunEvent,
  StartEvent,
  StepEvent,
  WorkerEvent,
} from '../src/common/run_events.js';
import { toSnakeCase } from '../src/common/snake_case.js';

type Keys<T> = Record<Exclude<keyof T, 'type'>, number>;
type EventOf<T> = Extract<RunEvent, { type: T }>;

const START = {
  config: 0,
  replicas: 0,
  numerics: 0,
  runFolder: 0,
  dataset: 0,
  model: 0,
  objective: 0,
  plan: 0,
  versions: 0,
  memoryKept: 0,
};
const START_PARTS = {
  dataset: { name: 0, train: 0, validation: 0, sha256: 0 } satisfies Keys<StartEvent['dataset']>,
  model: { name: 0, trainedParameters: 0, totalParameters: 0 } satisfies Keys<StartEvent['model']>,
  objective: { loss: 0, metrics: 0, monitor: 0 } satisfies Keys<StartEvent['objective']>,
  plan: {
    ...{ shards: 0, shardSizes: 0, stepsPerEpoch: 0, epochs: 0, firstEpoch: 0 },
    ...{ bytesPerReplicaStep: 0, batchNormPerShard: 0 },
  } satisfies Keys<StartEvent['plan']>,
  versions: { tfjsParallel: 0, node: 0, tensorflow: 0, tfjs: 0 } satisfies Keys<StartEvent['versions']>,
};
const STEP = {
  ...{ epoch: 0, step: 0, stepInEpoch: 0, stepsPerEpoch: 0, loss: 0, learningRate: 0, gradientNorm: 0, imagesPerS: 0 },
  ...{ phasesMs: 0, replicaTimes: 0 },
};
const PHASES = { data: 0, compute: 0, wait: 0, reduce: 0, apply: 0, publish: 0 } satisfies Keys<StepEvent['phasesMs']>;
const REPLICA_TIME = { replica: 0, computeMs: 0, startMs: 0, endMs: 0, parameters: 0 } satisfies Keys<ReplicaTime>;

const keys = (...objects: object[]): string[] => objects.flatMap((object) => Object.keys(object)).map(toSnakeCase);
const nested = (name: string, part: object): string[] => keys(part).map((key) => `${toSnakeCase(name)}.${key}`);
const without = (all: string[], ...left: string[]): string[] => all.filter((key) => !left.includes(key));

/** By heading: the keys, those of objects in them after a dot. Values go by names of their own and stand as examples. */
const PAGE: Record<string, string[]> = {
  start: [
    ...without(keys(START satisfies Keys<StartEvent>), ...Object.keys(START_PARTS)),
    ...Object.entries(START_PARTS).flatMap(([name, part]) => nested(name, part)),
  ],
  step: [
    ...without(keys({ ...STEP, epochValues: 0 } satisfies Keys<StepEvent>), 'phases_ms', 'epoch_values'),
    ...nested('phasesMs', PHASES),
    ...['epoch_loss', 'epoch_acc'],
  ],
  epoch: [
    ...keys({ epoch: 0, seconds: 0, imagesPerS: 0, saved: 0 } satisfies Keys<Omit<EpochEvent, 'values'>>),
    ...['loss', 'acc', 'val_loss', 'val_acc'],
  ],
  state: keys({ epoch: 0, step: 0, path: 0, bytes: 0, snapshotMs: 0, ms: 0 } satisfies Keys<EventOf<'state'>>),
  'worker_join, worker_leave, worker_lost': keys({ worker: 0, detail: 0 } satisfies Keys<WorkerEvent>),
  'warn, error': keys({ code: 0, message: 0 } satisfies Keys<EventOf<'warn' | 'error'>>),
  end: keys({ epochs: 0, steps: 0, best: 0, weightsSha256: 0, reason: 0 } satisfies Keys<EndEvent>),
};

const page = readFileSync('docs/records.md', 'utf8');
/** The first cells of the table under each heading. */
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [heading] = section.split('\n', 1);
      const cells = [...section.matchAll(/^\| (`.*?) \| (.*) \|$/gm)];
      return [
        heading,
        cells.map(([, names, text]) => ({ names: [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name), text })),
      ];
    }),
);

it('has a section for each kind of record', () => {
  const kinds = {
    start: 0,
    step: 0,
    epoch: 0,
    worker_join: 0,
    worker_leave: 0,
    worker_lost: 0,
    state: 0,
    warn: 0,
    error: 0,
    end: 0,
  };
  const headings = [...sections.keys()].flatMap((heading) => heading.split(', '));
  expect(headings.sort()).toEqual(Object.keys(kinds satisfies Record<RunEvent['type'], number>).sort());
});

it.each(Object.entries(PAGE))('has every key of %s, and no other', (heading, wanted) => {
  const rows = sections.get(heading) ?? [];
  expect(rows.flatMap(({ names }) => names).sort()).toEqual([...wanted].sort());
  expect(rows.filter(({ text }) => text.trim() === '')).toEqual([]);
});

it('has what a list of replica times holds', () => {
  const text = sections.get('step')?.find(({ names }) => names.includes('replica_times'))?.text ?? '';
  const named = [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
  expect(named.sort()).toEqual(keys(REPLICA_TIME).sort());
});
