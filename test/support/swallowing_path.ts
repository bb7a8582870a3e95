/**
 * Owns: a path between two network namespaces that loses every packet over 1,280 bytes in one direction and says nothing, as a tunnel does whose ICMP is
 * filtered: a pair of interfaces whose far end takes smaller packets than its near end sends. Needs root and `ip` (namespacesMissing says so).
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Unix sockets lead across namespaces: one end of each relay is one. */
const RELAY = `
const net = require('node:net');
const [from, to] = JSON.parse(process.argv[1]);
net.createServer((near) => {
  const far = net.connect(to);
  for (const [a, b] of [[near, far], [far, near]]) a.on('error', () => b.destroy()).on('close', () => b.end()).pipe(b);
}).listen(from, () => console.log('listening'));
`;

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}

/** The port that leads through the path to the coordinator's port: what the coordinator sends (`down`) or what a worker sends (`up`) is swallowed. */
export async function swallowingPath(
  target: number,
  { way, folder }: { way: 'up' | 'down' | 'none'; folder: string },
): Promise<number> {
  const [a, r, b] = ['a', 'r', 'b'].map((name) => `tfjs${process.pid}${way}${name}`);
  const children: ChildProcess[] = [];
  onTestFinished(() => {
    for (const child of children) child.kill('SIGKILL');
    for (const name of [a, r, b]) spawnSync('ip', ['netns', 'delete', name]);
  });
  for (const name of [a, r, b]) ip('netns', 'add', name);
  for (const [name, nth] of [
    [a, 1],
    [b, 2],
  ] as const) {
    ip('link', 'add', 'out', 'netns', name, 'type', 'veth', 'peer', 'name', `in${nth}`, 'netns', r);
    ip('-n', name, 'addr', 'add', `10.78.${nth}.2/24`, 'dev', 'out');
    ip('-n', r, 'addr', 'add', `10.78.${nth}.1/24`, 'dev', `in${nth}`);
    // Segments are cut by the sender and not by the interface, which would take them whole.
    ip('-n', name, 'link', 'set', 'out', 'gso_max_segs', '1', 'up');
    ip('-n', r, 'link', 'set', `in${nth}`, 'gso_max_segs', '1', 'up');
    ip('-n', name, 'route', 'add', 'default', 'via', `10.78.${nth}.1`);
  }
  ip('netns', 'exec', r, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  if (way !== 'none') ip('-n', r, 'link', 'set', way === 'down' ? 'in1' : 'in2', 'mtu', '1280');
  const relay = async (name: string, from: unknown, to: unknown): Promise<void> => {
    const child = spawn('ip', ['netns', 'exec', name, process.execPath, '-e', RELAY, JSON.stringify([from, to])]);
    children.push(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('close', () => reject(new Error('the relay ended')));
    });
  };
  const [entry, exit] = [join(folder, 'entry'), join(folder, 'exit')];
  const here = async (
    from: string | { port: number; host: string },
    to: string | { port: number; host: string },
  ): Promise<number> => {
    const server = createServer((near) => {
      const far = connect(to as string);
      const ends: [Socket, Socket][] = [
        [near, far],
        [far, near],
      ];
      for (const [one, other] of ends)
        one
          .on('error', () => other.destroy())
          .on('close', () => other.end())
          .pipe(other);
    });
    await new Promise<void>((resolve) => server.listen(from as string, resolve));
    onTestFinished(() => void server.close());
    return (server.address() as { port?: number }).port ?? 0;
  };
  await here(exit, { port: target, host: '127.0.0.1' });
  await relay(a, { port: 29_500, host: '10.78.1.2' }, exit);
  await relay(b, entry, { port: 29_500, host: '10.78.1.2' });
  return here({ port: 0, host: '127.0.0.1' }, entry);
}
