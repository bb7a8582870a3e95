/**
 * Owns: two network namespaces joined by a pair of interfaces, as two hosts on one wire, and a recording of every packet on it.
 * Needs root, `ip` and Python; `namespacesMissing` says what is not there.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

const RECORDER = `
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
wire.bind((sys.argv[1], 0))
wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 26)
out = open(sys.argv[2], "wb", buffering=0)
print("recording", flush=True)
while True: out.write(wire.recv(1 << 17))
`;

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}

/** Why this machine cannot do it; null where it can. */
export function namespacesMissing(): string | null {
  if (process.getuid?.() !== 0) return 'not root';
  const probe = `tfjsp${process.pid}p`;
  const { error, status, stderr } = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' });
  if (error !== undefined || status !== 0) return `ip netns add: ${error?.message ?? stderr.trim()}`;
  spawnSync('ip', ['netns', 'delete', probe]);
  return spawnSync('python3', ['-c', 'import socket; socket.AF_PACKET']).status === 0 ? null : 'no python3 with packet sockets';
}

export interface TwoHosts {
  /** Address of the first host as the second sees it. */
  readonly address: string;
  run(host: 'a' | 'b', command: string, args: readonly string[], env?: NodeJS.ProcessEnv): ChildProcess;
  /** Every packet on the wire so far. */
  recorded(): Buffer;
  close(): void;
}

export async function twoHosts(recording: string): Promise<TwoHosts> {
  const names = { a: `tfjsp${process.pid}a`, b: `tfjsp${process.pid}b` };
  const links = { a: `tp${process.pid}a`, b: `tp${process.pid}b` };
  ip('netns', 'add', names.a);
  ip('netns', 'add', names.b);
  ip('link', 'add', links.a, 'netns', names.a, 'type', 'veth', 'peer', 'name', links.b, 'netns', names.b);
  for (const host of ['a', 'b'] as const) {
    ip('-n', names[host], 'addr', 'add', `10.77.0.${host === 'a' ? 1 : 2}/24`, 'dev', links[host]);
    ip('-n', names[host], 'link', 'set', links[host], 'up');
    ip('-n', names[host], 'link', 'set', 'lo', 'up');
  }
  const run: TwoHosts['run'] = (host, command, args, env = process.env) =>
    spawn('ip', ['netns', 'exec', names[host], command, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const recorder = run('a', 'python3', ['-c', RECORDER, links.a, recording]);
  await new Promise<void>((resolve, reject) => {
    recorder.stdout?.once('data', () => resolve());
    recorder.once('close', () => reject(new Error('the recorder ended')));
  });
  return {
    address: '10.77.0.1',
    run,
    recorded: () => readFileSync(recording),
    close: () => {
      recorder.kill('SIGKILL');
      for (const name of Object.values(names)) spawnSync('ip', ['netns', 'delete', name]);
    },
  };
}
