/**
 * Owns: a TCP proxy on loopback that misbehaves on demand: delay, a cap on bytes per second, reset after so many bytes, stall, one-way loss.
 * Does not: decide when (../chaos.mjs does).
 */
import { connect, createServer } from 'node:net';

/**
 * Forwards connections to `target`. `faults` may be changed at any time and holds for bytes that arrive from then on:
 * { delayMs, bytesPerS, resetAtByte, stalled, lose: 'up' | 'down' }; `up` is towards the target.
 */
export async function startFaultProxy({ target, faults = {} }) {
  const pairs = new Set();
  const state = { ...faults };
  const server = createServer((near) => {
    const far = connect(target);
    const pair = { near, far, bytes: 0 };
    pairs.add(pair);
    const end = () => {
      near.destroy();
      far.destroy();
      pairs.delete(pair);
    };
    for (const socket of [near, far]) socket.on('error', end).on('close', end).setNoDelay(true);
    forward(pair, near, far, 'up');
    forward(pair, far, near, 'down');
  });

  function forward(pair, from, to, direction) {
    let queue = Promise.resolve();
    from.on('data', (chunk) => {
      pair.bytes += chunk.length;
      if (state.resetAtByte !== undefined && pair.bytes >= state.resetAtByte) return reset(pair);
      if (state.lose === direction) return;
      from.pause();
      queue = queue
        .then(() => hold(chunk.length))
        .then(() => {
          if (!to.destroyed) to.write(chunk);
          from.resume();
        });
    });
    from.on('end', () => void queue.then(() => to.end()));
  }

  async function hold(bytes) {
    if (state.delayMs) await sleep(state.delayMs);
    if (state.bytesPerS) await sleep((1000 * bytes) / state.bytesPerS);
    while (state.stalled) await sleep(20);
  }

  function reset({ near, far }) {
    near.resetAndDestroy();
    far.resetAndDestroy();
  }

  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    set: (changes) => void Object.assign(state, changes),
    resetAll: () => [...pairs].forEach(reset),
    close: () =>
      new Promise((resolve) => {
        [...pairs].forEach(reset);
        server.close(resolve);
      }),
  };
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
