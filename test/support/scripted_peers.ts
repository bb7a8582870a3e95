/**
 * Owns: peers that speak the protocol as a test says, rightly or wrongly: a worker against a real coordinator, and a coordinator against a real worker.
 * Does not: keep any rule by itself, but for the login, the frames and the heartbeat.
 */
import { randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import type { Message, MessageOf, MessageType } from '../../src/common/protocol/messages.js';
import { startServer } from '../../src/transport/server.js';
import { initialSha256, layoutSha256 } from '../../src/transport/identity.js';
import { Link } from '../../src/transport/link.js';
import type { LinkTimes } from '../../src/transport/link_life.js';
import { connectToCoordinator } from '../../src/transport/client.js';
import { computeGolden } from '../../src/worker/host/prepared_job.js';
import { IntegerReplica, JOB, modelOf, NUMERICS, SECRET, type TestCluster } from './loopback_cluster.js';

const PATIENT: LinkTimes = { heartbeatMs: 1000, heartbeatTimeoutMs: 600_000, sendTimeoutMs: 600_000 };

export class ScriptedPeer {
  readonly heard: Message[] = [];
  readonly ended: Promise<string>;
  readonly #link: Link;
  /** Called for every message, after it was noted. */
  onMessage: (message: Message, bytes: Uint8Array, checksum: number) => void = () => {};

  constructor(socket: WebSocket, times: LinkTimes = PATIENT) {
    let tell: (reason: string) => void = () => {};
    this.ended = new Promise((resolve) => (tell = resolve));
    const handlers = {
      place: (_: Message, totalBytes: number) => new Uint8Array(totalBytes),
      onMessage: ({ message, bytes, checksum }: { message: Message; bytes: Uint8Array; checksum: number }) => {
        this.heard.push(message);
        this.onMessage(message, bytes, checksum);
      },
      onClosed: tell,
    };
    this.#link = new Link(socket, handlers, times);
    onTestFinished(() => this.close());
  }

  send(message: Message, bytes?: Uint8Array): Promise<void> {
    return this.#link.send(message, bytes);
  }

  close(): void {
    this.#link.close('scripted');
  }

  /** The next message of this type, or one that has come already. */
  async hear<T extends MessageType>(type: T): Promise<MessageOf<T>> {
    for (;;) {
      const found = this.heard.find((message): message is MessageOf<T> => message.type === type);
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

const software = '0.1.0';

/** Logged in, and nothing said yet. */
export async function scriptedWorker({ port }: Pick<TestCluster, 'port'>): Promise<ScriptedPeer> {
  const coordinator = { host: '127.0.0.1', port };
  return new ScriptedPeer(await connectToCoordinator({ coordinator, secret: SECRET, tls: { kind: 'none' } }));
}

export function helloOf(name: string, replicas = 1): MessageOf<'hello'> {
  return {
    type: 'hello',
    software,
    worker: name,
    process: randomUUID(),
    replicas: Array.from({ length: replicas }, (_, i) => `cpu(${i})`),
  };
}

/** What an honest worker of `loopbackCluster` says when it has prepared. */
export async function preparedOf(weights = 5): Promise<MessageOf<'prepared'>> {
  const model = modelOf(weights);
  return {
    type: 'prepared',
    datasetSha256: JOB.datasetSha256,
    layoutSha256: layoutSha256(model),
    initialSha256: initialSha256(model),
    numerics: NUMERICS,
    versions: { tensorflow: '2.21.0', tfjs: '4.22.0' },
    golden: await computeGolden([new IntegerReplica('golden', model)], model, JOB.shardSizes),
  };
}

/** A coordinator's door, and whoever comes in: `next` resolves to each in turn. */
export async function scriptedCoordinator(): Promise<{ port: number; next: () => Promise<ScriptedPeer> }> {
  const waiting: ScriptedPeer[] = [];
  const server = await startServer({
    listen: { host: '127.0.0.1', port: 0 },
    secret: SECRET,
    tls: { kind: 'none' },
    onWorker: (socket) => void waiting.push(new ScriptedPeer(socket)),
    onRefused: () => {},
  });
  onTestFinished(() => server.close());
  const next = async (): Promise<ScriptedPeer> => {
    for (;;) {
      const peer = waiting.shift();
      if (peer !== undefined) return peer;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return { port: server.port, next };
}

export function welcomeOf(coordinatorEpoch = 1): MessageOf<'welcome'> {
  return { type: 'welcome', software, runId: 'run-001', coordinatorEpoch, silenceMs: 10_000, job: JOB };
}
