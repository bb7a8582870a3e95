/** Owns: what a worker's session needs of the run it belongs to, as an interface. Does not: implement it (cluster.ts). */
import type { BucketLayout } from '../../common/bucket_layout.js';
import type { ExpectedError } from '../../common/errors.js';
import type { ObjectiveDescription } from '../../common/objective.js';
import type { Job, MessageOf } from '../../common/protocol/messages.js';
import type { Refusal } from './admission.js';
import type { ParameterBytes } from './parameter_bytes.js';
import type { RemoteReplica } from './remote_replica.js';

/** What an answer consists of. */
export interface ResultSizes {
  /** Elements of a gradient and of its statistics, by the layout. */
  readonly gradient: number;
  readonly statistics: number;
  readonly objective: ObjectiveDescription;
  readonly layout: BucketLayout;
}

export interface SessionHost<Session> {
  readonly software: string;
  readonly runId: string;
  readonly coordinatorEpoch: number;
  readonly job: Job;
  /** JSON of the topology where the job's model is one. */
  readonly topology: string | null;
  readonly parameters: ParameterBytes;
  /** Weights of a model that this machine can train. */
  readonly maxWeights: number;
  /** Null until a first worker has described the model. */
  resultSizes(): ResultSizes | null;
  /** A name that no live worker has. */
  nameFor(wanted: string): string;
  /** Decides on a prepared worker; may ask it to describe the model first. Null to admit. */
  admit(session: Session, prepared: MessageOf<'prepared'>): Promise<Refusal | null>;
  onReady(session: Session): void;
  /** A shard of the run was computed. */
  onResult(): void;
  onRefused(session: Session, refusal: Refusal): void;
  /** Null to let a worker that says hello go on. */
  greet(session: Session, hello: MessageOf<'hello'>): Refusal | null;
  /** It sent what cannot be, and is not wanted again. */
  onPutOut(session: Session, why: string): void;
  /** Before it joined: the run's data or model failed in it. */
  onFault(session: Session, error: ExpectedError): void;
  onReplicaLost(replica: RemoteReplica, reason: string): void;
  onLeaving(session: Session): void;
  onClosed(session: Session, reason: string): void;
}
