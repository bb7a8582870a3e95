import { expect, it, onTestFinished } from 'vitest';
import { connectToCoordinator } from '../../src/transport/client.js';
import { Link } from '../../src/transport/link.js';
import { startServer } from '../../src/transport/server.js';
import { SECRET } from '../support/loopback_cluster.js';

it('what a coordinator says together with its answer to the login is heard', async () => {
  const server = await startServer({
    ...{ listen: { host: '127.0.0.1', port: 0 }, secret: SECRET, tls: { kind: 'none' }, onRefused: () => {} },
    // In the packet that lets the worker in.
    onWorker: (socket) => socket.close(1000, 'no room'),
  });
  onTestFinished(() => server.close());
  const coordinator = { host: '127.0.0.1', port: server.port };
  const socket = await connectToCoordinator({ coordinator, secret: SECRET, tls: { kind: 'none' } });
  const reason = new Promise<string>((resolve) => {
    const link = new Link(socket, { place: (_, total) => new Uint8Array(total), onMessage: () => {}, onClosed: resolve });
    void link.send({ type: 'leaving' });
  });
  expect(await reason).toBe('no room');
});
