/**
 * Owns: what coordinator and worker prove to each other before a WebSocket exists, as text to be signed with the token.
 * Does not: compute HMACs or keep nonces (src/transport do).
 *
 * The transcript names the role, so that neither side's proof can be sent back to it, both nonces, so that nothing is fresh by one side's
 * word alone, and the TLS exporter, so that it holds for this connection only.
 */
import { PROTOCOL } from './frame.js';

export const LOGIN = {
  /** Not a name that a browser could send: pages cannot choose their Host. */
  host: 'tfjs-parallel',
  challengePath: '/challenge',
  sessionPath: '/session',
  /** Logs in to measure the way and not to work (transport/probe.ts). */
  probePath: '/probe',
  nonceHeader: 'x-tfjs-parallel-nonce',
  workerNonceHeader: 'x-tfjs-parallel-worker-nonce',
  proofHeader: 'x-tfjs-parallel-proof',
  /** In a refusal: what the coordinator saw that no worker sends (transport/between.ts). */
  seesHeader: 'x-tfjs-parallel-sees',
  /** Which token the proof is made with. */
  tokenHeader: 'x-tfjs-parallel-token-id',
  exporterLabel: 'EXPORTER-tfjs-parallel-login',
  exporterBytes: 32,
} as const;

export interface LoginFacts {
  readonly coordinatorNonce: string;
  readonly workerNonce: string;
  /** Hex of the TLS exporter; empty without TLS. */
  readonly exporter: string;
}

/** Who proves: a probe's login opens no session, and a worker's no probe. */
export type LoginRole = 'coordinator' | 'worker' | 'probe';

export function loginTranscript(role: LoginRole, { coordinatorNonce, workerNonce, exporter }: LoginFacts): string {
  return JSON.stringify(['tfjs-parallel login', PROTOCOL, role, coordinatorNonce, workerNonce, exporter]);
}

export function isNonce(text: unknown): text is string {
  return typeof text === 'string' && /^[A-Za-z0-9_-]{22,128}$/.test(text);
}

/** 256 random bits in base64url. */
export function isToken(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text);
}
