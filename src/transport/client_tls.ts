/** Owns: the certificate that the connecting side trusts, read and looked at. */
import { readFile } from 'node:fs/promises';
import { invariant, UsageError } from '../common/errors.js';
import type { ClientTls } from './client.js';

/** Files of PEM, as the command line names them. */
export type ClientEncryption =
  | { kind: 'none' }
  | { kind: 'psk' }
  | { kind: 'trusted_certificate'; authority: string }
  | { kind: 'certificate'; certificate: string; key: string };

/** @throws UsageError TLS_FILE */
export async function readClientTls(encryption: ClientEncryption): Promise<ClientTls> {
  if (encryption.kind === 'none' || encryption.kind === 'psk') return encryption;
  invariant(encryption.kind === 'trusted_certificate', 'the connecting side trusts a certificate');
  const { authority } = encryption;
  const fileError = (message: string, cause?: unknown): UsageError =>
    new UsageError({ code: 'TLS_FILE', message, next: 'Give --tls-ca a PEM file.', cause });
  const text = await readFile(authority, 'utf8').catch((cause: Error) => {
    throw fileError(`cannot read ${authority}: ${cause.message}`, cause);
  });
  // Node takes any text, and trusts nobody then.
  if (!text.includes('-----BEGIN')) throw fileError(`${authority} holds no certificate`);
  return { kind: 'trusted_certificate', authority: text };
}
