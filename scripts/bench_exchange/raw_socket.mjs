/**
 * Owns: the limit of the exchange: the same bytes each way between processes through plain TCP sockets of node:net, nothing else done to them.
 * Started with an IPC channel it is the other process: it answers a buffer's length with as many bytes.
 */
import { fork } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const BYTES_PER_ELEMENT = 4;

/** @returns ms per timed step: the bytes of all parameters to each of N processes, and as many back from each. */
export async function measureRawSocket({ workers, elements, steps, warmup }) {
  const bytes = Buffer.alloc(elements * BYTES_PER_ELEMENT, 1);
  const sockets = [];
  const server = createServer((socket) => sockets.push(socket.setNoDelay(true)));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const children = Array.from({ length: workers }, () => fork(fileURLToPath(import.meta.url)));
  try {
    for (const child of children) child.send({ port: server.address().port, size: bytes.length });
    while (sockets.length < workers) await new Promise((resolve) => setTimeout(resolve, 5));
    const times = [];
    for (let step = 0; step < warmup + steps; step++) {
      const begun = performance.now();
      await Promise.all(sockets.map((socket) => roundTrip(socket, bytes)));
      if (step >= warmup) times.push(performance.now() - begun);
    }
    return times;
  } finally {
    for (const child of children) child.kill();
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

function roundTrip(socket, bytes) {
  return new Promise((resolve, reject) => {
    let left = bytes.length;
    const gone = () => reject(new Error('the other process is gone'));
    const count = (chunk) => {
      left -= chunk.length;
      if (left > 0) return;
      socket.off('data', count).off('close', gone);
      resolve();
    };
    socket.on('data', count).on('close', gone);
    socket.write(bytes);
  });
}

function answer({ port, size }) {
  const bytes = Buffer.alloc(size, 2);
  const socket = connect({ host: '127.0.0.1', port }, () => socket.setNoDelay(true));
  let heard = 0;
  socket.on('data', (chunk) => {
    heard += chunk.length;
    if (heard < size) return;
    heard -= size;
    socket.write(bytes);
  });
  socket.on('error', () => process.exit(1));
  socket.on('close', () => process.exit(0));
}

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) process.once('message', answer);
