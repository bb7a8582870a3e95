/**
 * Owns: a bad neighbourhood for a coordinator: idle connections, slow headers, wrong logins, and peers with the token that send garbage.
 * Does not: judge: the run beside it must end as if nothing had been.
 */
import { connect } from 'node:net';

/** Returns what was done, and `end` to let go of the idle connections. */
export async function attack({ port, token, random, root }) {
  const { connectToCoordinator } = await import(`${root}/dist/worker/client.js`);
  const { secretOf } = await import(`${root}/dist/wire/secrets.js`);
  const { MessageWriter } = await import(`${root}/dist/common/message_stream.js`);
  const { crc32 } = await import('node:zlib');
  const below = (n) => Math.floor(random() * n);
  const idle = Array.from({ length: 1000 }, (_, i) => {
    const socket = connect(port, '127.0.0.1', () => i % 2 && socket.write('GET /challenge HTTP/1.1\r\nHo'));
    return socket.on('error', () => {});
  });
  const login = (secret) => connectToCoordinator({ coordinator: { host: '127.0.0.1', port }, secret, tls: { kind: 'none' } });
  let refused = 0;
  let garbage = 0;
  for (let i = 0; i < 100; i++) {
    await login(secretOf('A'.repeat(43))).catch(() => (refused += 1));
    const socket = await login(secretOf(token)).catch(() => null);
    if (socket === null) continue;
    socket.on('error', () => {});
    const [{ head }] = new MessageWriter(crc32).frames({ type: 'hello', software: '0', worker: 'w', replicas: ['cpu(0)'] });
    // A right frame with some bytes changed, behind garbage of any length or alone.
    for (let m = below(4); m >= 0; m--) head[below(head.length)] = below(256);
    for (let frames = below(50); frames >= 0; frames--)
      socket.send(random() < 0.5 ? head : Buffer.alloc(below(100_000), below(256)));
    await new Promise((done) => socket.on('close', done));
    garbage += 1;
  }
  return {
    text: `1000 idle or slow connections, ${refused} wrong logins, ${garbage} sessions of garbage`,
    end: () => idle.forEach((socket) => socket.destroy()),
  };
}
