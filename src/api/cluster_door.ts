/**
 * Owns: what a coordinator's door needs before it opens: the token, and PEM files read and checked.
 * Does not: open it (transport/server.ts does).
 */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { isLoopback } from '../common/endpoint.js';
import { invariant, UsageError } from '../common/errors.js';
import { secretOf } from '../transport/secrets.js';
import type { ServerTls } from '../transport/server.js';
import { findToken } from '../transport/token.js';
import type { CoordinationRequest } from './run_request.js';

/** The shared token, made where there is none. */
export async function secretFor({ token, say, encryption, listen }: CoordinationRequest): Promise<ReturnType<typeof secretOf>> {
  const found = await findToken({ source: token, create: true, environment: process.env, stdin: process.stdin });
  say(found.created ? `made a token in ${found.from} (mode 600): workers need a copy of this file` : `token from ${found.from}`);
  if (encryption.kind === 'none' && !isLoopback(listen.host)) {
    say(
      'WARNING: --insecure-plaintext: data and weights cross the network unencrypted; anybody on the way can read and change them',
    );
  }
  return secretOf(found.token);
}

/** @throws UsageError TLS_FILE */
export async function readTls(encryption: CoordinationRequest['encryption']): Promise<ServerTls> {
  if (encryption.kind === 'certificate') {
    const read = (path: string): Promise<string> =>
      readFile(path, 'utf8').catch((cause: Error) => {
        throw new UsageError({
          code: 'TLS_FILE',
          message: `cannot read ${path}: ${cause.message}`,
          next: 'Give --tls-cert and --tls-key PEM files.',
          cause,
        });
      });
    const [certificate, key] = [await read(encryption.certificate), await read(encryption.key)];
    try {
      createSecureContext({ cert: certificate, key });
    } catch (cause) {
      throw new UsageError({
        code: 'TLS_FILE',
        message: `${encryption.certificate} and ${encryption.key} are no certificate and its key: ${(cause as Error).message}`,
        next: 'Give --tls-cert the certificate chain and --tls-key the private key that belongs to it, both PEM without a password.',
        cause,
      });
    }
    return { kind: 'certificate', certificate, key };
  }
  invariant(encryption.kind !== 'trusted_certificate', 'the listening side has a certificate of its own');
  return encryption;
}
