/**
 * Owns: the flags of the network, for `coordinator` and `worker`: where, with which token, how encrypted.
 * Does not: read tokens or certificates, or open sockets. No flag takes a token itself: arguments are seen by everyone on a machine.
 */
import { Option, type Command } from 'commander';
import { isLoopback, type Endpoint } from '../common/endpoint.js';
import { UsageError } from '../common/errors.js';
import { GROUP, readOption, readSwitch } from './setting_flags.js';

/** `default`: the token's usual place, made by the coordinator where it does not exist. */
export type TokenSource = { kind: 'file'; path: string } | { kind: 'environment' } | { kind: 'stdin' } | { kind: 'default' };

/** `none`: on loopback, or by --insecure-plaintext. `psk`: keys from the token. */
export type Encryption =
  | { kind: 'none' }
  | { kind: 'psk' }
  | { kind: 'certificate'; certificate: string; key: string }
  | { kind: 'trusted_certificate'; authority: string };

export const TOKEN_VARIABLE = 'TFJS_PARALLEL_TOKEN';

export function addTokenFlags(command: Command): void {
  const add = (option: Option) => command.addOption(option.helpGroup(GROUP.network));
  add(
    new Option(
      '--token-file <file>',
      `file with the token, - for standard input (default: ${TOKEN_VARIABLE}, then a file of your own)`,
    ),
  );
  add(new Option('--insecure-plaintext', 'no encryption off this machine: the token stays secret, data and weights do not'));
}

export function readTokenSource(command: Command, environment: Record<string, string | undefined>): TokenSource {
  const file = readOption(command, 'tokenFile');
  if (file === '-') return { kind: 'stdin' };
  if (file !== null) return { kind: 'file', path: file };
  return (environment[TOKEN_VARIABLE] ?? '') === '' ? { kind: 'default' } : { kind: 'environment' };
}

/** The listening side. @throws UsageError */
export function readServerEncryption(command: Command, listen: Endpoint): Encryption {
  const certificate = readOption(command, 'tlsCert');
  const key = readOption(command, 'tlsKey');
  const plaintext = readSwitch(command, 'insecurePlaintext');
  if ((certificate === null) !== (key === null)) {
    throw new UsageError({
      code: 'TLS_INCOMPLETE',
      message: `${certificate === null ? '--tls-key' : '--tls-cert'} is given without ${certificate === null ? '--tls-cert' : '--tls-key'}`,
      next: 'give both, or neither: then encryption keys come from the token',
    });
  }
  if (certificate !== null && key !== null) {
    if (plaintext) throw contradiction('--tls-cert');
    return { kind: 'certificate', certificate, key };
  }
  return plaintext || isLoopback(listen.host) ? { kind: 'none' } : { kind: 'psk' };
}

/** The connecting side. @throws UsageError */
export function readClientEncryption(command: Command, host: Endpoint): Encryption {
  const authority = readOption(command, 'tlsCa');
  const plaintext = readSwitch(command, 'insecurePlaintext');
  if (authority !== null) {
    if (plaintext) throw contradiction('--tls-ca');
    return { kind: 'trusted_certificate', authority };
  }
  return plaintext || isLoopback(host.host) ? { kind: 'none' } : { kind: 'psk' };
}

function contradiction(flag: string): UsageError {
  return new UsageError({
    code: 'TLS_AND_PLAINTEXT',
    message: `${flag} asks for encryption and --insecure-plaintext for none`,
    next: 'leave one of them out',
  });
}
