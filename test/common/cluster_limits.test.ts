import { expect, it } from 'vitest';
import { LIMITS } from '../../src/common/limits.js';
import { SOCKET_OPTIONS } from '../../src/transport/link.js';

it('keeps the limits of the cluster in their relations', () => {
  // Three beats may be lost before a peer counts as gone, and a peer that is gone is noticed long before its shard's deadline.
  expect(LIMITS.heartbeatTimeoutMs).toBeGreaterThan(3 * LIMITS.heartbeatMs);
  expect(LIMITS.shardDeadlineFloorMs).toBeGreaterThan(LIMITS.heartbeatTimeoutMs);
  expect(LIMITS.firstShardDeadlineMs).toBeGreaterThan(LIMITS.shardDeadlineFloorMs);
  // A stop is known before anybody's patience ends by it, and a busy moment is no stop.
  expect(LIMITS.processStoppedMs).toBeLessThan(LIMITS.shardDeadlineFloorMs);
  expect(LIMITS.processStoppedMs).toBeGreaterThan(3 * LIMITS.processBeatMs);
  // A login fits into a challenge's life.
  expect(LIMITS.nonceLifeMs).toBeGreaterThan(LIMITS.loginTimeoutMs);
  // A whole frame passes ws, and one piece with its heartbeats stays below the cap of a socket's queue.
  expect(SOCKET_OPTIONS.maxPayload).toBeGreaterThanOrEqual(64 + LIMITS.maxHeaderBytes + LIMITS.maxPieceBytes);
  expect(LIMITS.maxSocketQueueBytes).toBeGreaterThanOrEqual(SOCKET_OPTIONS.maxPayload);
  // The largest message, the names of a worker's replicas at 100 characters of up to 4 bytes, fits into a header.
  expect(LIMITS.maxHeaderItems).toBeGreaterThan(2 * LIMITS.maxReplicasPerWorker);
  expect(LIMITS.maxHeaderBytes).toBeGreaterThan(LIMITS.maxReplicasPerWorker * (4 * 100 + 3));
  expect(LIMITS.maxPieceBytes % 8).toBe(0);
  expect(LIMITS.stragglerFactor).toBeLessThan(LIMITS.shardDeadlineFactor);
  expect(LIMITS.workerWaitMs).toBeGreaterThan(LIMITS.reconnectMaxMs);
  // All probes at once hold no more than one session may.
  expect(LIMITS.maxProbes * LIMITS.probeHeldBytes).toBeLessThanOrEqual(LIMITS.maxSocketQueueBytes);
  // Two workers before us may let their turn to describe the model pass.
  expect(LIMITS.verdictTimeoutMs).toBeGreaterThan(2 * LIMITS.describeTimeoutMs);
});
