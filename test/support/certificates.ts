/**
 * Owns: certificates for 127.0.0.1, signed by themselves, made by openssl.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

/** PEM text, and the files `name.pem` and `name.key` in the folder. */
export function makeCertificate(folder: string, name: string): { certificate: string; key: string } {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', key, '-out', cert];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const made = spawnSync('openssl', ['req', '-x509', '-nodes', '-days', '2', ...curve, ...files, ...subject], {
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(made.stderr);
  return { certificate: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}
