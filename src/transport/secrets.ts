/**
 * Owns: what both sides do with the token: proofs of login, the TLS key derived from it, the TLS exporter.
 * Does not: find the token (token.ts) or open sockets.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Duplex } from 'node:stream';
import { LOGIN, loginTranscript, type LoginFacts, type LoginRole } from '../common/protocol/login.js';

/** The token and what is derived from it; never printed. */
export interface Secret {
  /** Which token it is, for a coordinator that knows several; says nothing about it. */
  readonly id: string;
  readonly login: Buffer;
  readonly tls: Buffer;
}

/** Two keys, so that a proof says nothing about the TLS key. */
export function secretOf(token: string): Secret {
  const derive = (purpose: string): Buffer => createHmac('sha256', token).update(`tfjs-parallel ${purpose}`).digest();
  return { id: derive('name').toString('hex').slice(0, 32), login: derive('login'), tls: derive('tls') };
}

export function proofOf(secret: Secret, role: LoginRole, facts: LoginFacts): string {
  return createHmac('sha256', secret.login).update(loginTranscript(role, facts)).digest('hex');
}

/** In time that does not depend on where the two differ, whatever was sent. */
export function sameProof(wanted: string, got: unknown): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return typeof got === 'string' && timingSafeEqual(digest(wanted), digest(got));
}

export function newNonce(): string {
  return randomBytes(18).toString('base64url');
}

/** Binds a proof to its TLS connection; empty without TLS. */
export function exporterOf(socket: Duplex): string {
  const { exportKeyingMaterial } = socket as Partial<TLSSocket>;
  if (exportKeyingMaterial === undefined) return '';
  return (socket as TLSSocket).exportKeyingMaterial(LOGIN.exporterBytes, LOGIN.exporterLabel, Buffer.alloc(0)).toString('hex');
}

/** TLS without certificates: both sides know the key. Ephemeral, so that a token that leaks later opens no recording. TLS 1.2: Node's PSK needs it. */
export const PSK_TLS = { ciphers: 'ECDHE-PSK-CHACHA20-POLY1305', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
export function pskIdentity({ id }: Pick<Secret, 'id'>): string {
  return `tfjs-parallel ${id}`;
}
