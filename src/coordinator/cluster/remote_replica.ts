/**
 * Owns: a replica on another machine, as the fleet sees it.
 * Does not: hold the connection: a session has one for all replicas of its worker.
 */
import type { ModelDescription, NumericsClass, Replica, ShardAssignment, ShardResult } from '../../common/replica.js';

/** The part of a session that a replica uses. */
export interface ReplicaSession {
  describe(): Promise<ModelDescription>;
  compute(replica: number, assignment: ShardAssignment): Promise<ShardResult>;
  close(reason: string): void;
  readonly moving: boolean;
}

export class RemoteReplica implements Replica {
  /** The class its worker showed at the join. */
  numericsClass: NumericsClass | null = null;
  /** Set when it left by agreement: closing it then does not end its worker's session. */
  left = false;
  readonly ownParameters = true;

  constructor(
    readonly session: ReplicaSession,
    readonly index: number,
    readonly name: string,
  ) {}

  describe(): Promise<ModelDescription> {
    return this.session.describe();
  }

  numerics(): Promise<NumericsClass> {
    return this.numericsClass === null
      ? Promise.reject(new Error('internal: a replica is asked after its join'))
      : Promise.resolve(this.numericsClass);
  }

  compute(assignment: ShardAssignment): Promise<ShardResult> {
    return this.session.compute(this.index, assignment);
  }

  get moving(): boolean {
    return this.session.moving;
  }

  /** A replica that hangs cannot be ended from here: its worker's session is, and the worker may come back. */
  close(): Promise<void> {
    if (!this.left) this.session.close('a replica was given up');
    return Promise.resolve();
  }
}
