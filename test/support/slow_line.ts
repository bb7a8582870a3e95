/**
 * Owns: a line between a client and a server on this machine that carries so many bytes a second each way, in slices of 50 ms.
 */
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

const SLICE_MS = 50;

interface Line {
  readonly bytesPerS: number;
  /** Whoever sends is rid of it at once, as with a large buffer of the system. */
  readonly takesAll?: boolean;
}

function carry(from: Socket, to: Socket, { bytesPerS, takesAll = false }: Line): void {
  let waiting: Buffer[] = [];
  let ended = false;
  from.on('data', (chunk: Buffer) => {
    waiting.push(chunk);
    if (!takesAll) from.pause();
  });
  from.on('end', () => (ended = true)).on('error', () => to.destroy());
  const timer = setInterval(() => {
    const all = Buffer.concat(waiting);
    const slice = all.subarray(0, (bytesPerS * SLICE_MS) / 1000);
    waiting = slice.length < all.length ? [all.subarray(slice.length)] : [];
    if (slice.length > 0) to.write(slice);
    if (waiting.length === 0) from.resume();
    if (waiting.length === 0 && (ended || from.destroyed)) to.end();
  }, SLICE_MS);
  from.on('close', () => clearInterval(timer));
}

/** The port to connect to instead. */
export async function slowLine({ port, ...line }: Line & { port: number }): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}));
    carry(near, far, line);
    carry(far, near, line);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}
