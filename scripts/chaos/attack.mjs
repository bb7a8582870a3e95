/**
 * Owns: a bad neighborhood for a coordinator: idle connections, slow headers, wrong logins, bytes that are no HTTP, and peers with the token that
 * send fuzzed frames. Does not: judge: the run beside it must end as if nothing had been.
 */
import { connect } from 'node:net';
import { crc32 } from 'node:zlib';
import { fuzzFrame } from './fuzz_frame.mjs';

const IDLE = 1000;
const LANES = 4;
const FRAMES_PER_SESSION = 10;

/** Goes on until `frames` fuzzed frames are sent, or `goesOn` says no. Returns what was done, and `end` to let go of the idle connections. */
export async function attack({ port, token, random, build, frames, goesOn }) {
  const { connectToCoordinator } = await import(`${build}/transport/client.js`);
  const { secretOf } = await import(`${build}/transport/secrets.js`);
  const { MessageWriter } = await import(`${build}/common/protocol/message_stream.js`);
  const { packageVersion } = await import(`${build}/system/package_info.js`);
  const below = (n) => Math.floor(random() * n);
  const idle = Array.from({ length: IDLE }, (_, i) => {
    const socket = connect(port, '127.0.0.1', () => i % 2 && socket.write('GET /challenge HTTP/1.1\r\nHo'));
    return socket.on('error', () => {});
  });
  const login = (secret) => connectToCoordinator({ coordinator: { host: '127.0.0.1', port }, secret, tls: { kind: 'none' } });
  const done = { frames: 0, sessions: 0, refused: 0, admittedWrongly: 0, turnedAway: 0, strangers: 0 };

  const right = secretOf(token);
  const wrong = secretOf(`${token}x`);
  const software = packageVersion();
  const bytesOf = ({ head, piece }) => Buffer.concat([head, piece]);

  /** A session that says some right things first, then wrong ones until it is thrown out. */
  async function session() {
    const socket = await login(right).catch(() => null);
    if (socket === null) return void (done.turnedAway += 1);
    const closed = new Promise((resolve) => socket.on('error', () => {}).on('close', resolve));
    const writer = new MessageWriter(crc32);
    const hello = [...writer.frames({ type: 'hello', software, worker: 'w', process: 'p'.repeat(16), replicas: ['cpu(0)'] })].map(
      bytesOf,
    );
    const beats = Array.from({ length: 3 }, () => [...writer.frames({ type: 'heartbeat' })].map(bytesOf)).flat();
    const valid = [...hello, ...beats].slice(0, below(5));
    for (const frame of valid) socket.send(frame);
    for (let i = 0; i < FRAMES_PER_SESSION; i++) {
      socket.send(fuzzFrame([...hello, ...beats][(valid.length + i) % 4], random));
      done.frames += 1;
    }
    await closed;
    done.sessions += 1;
  }

  async function wrongLogin() {
    const socket = await login(wrong).catch(
      (error) => void (done[error.code === 'TOKEN_REFUSED' ? 'refused' : 'turnedAway'] += 1),
    );
    if (socket === undefined) return;
    done.admittedWrongly += 1;
    socket.terminate();
  }

  async function stranger() {
    const socket = connect(port, '127.0.0.1', () => socket.end(Buffer.alloc(1 + below(10_000), below(256))));
    await new Promise((resolve) =>
      socket
        .on('error', () => {})
        .on('data', () => {})
        .on('close', resolve),
    );
    done.strangers += 1;
  }

  let turn = 0;
  const lane = async () => {
    while (done.frames < frames && goesOn()) {
      turn += 1;
      if (turn % 20 === 0) await wrongLogin();
      else if (turn % 10 === 5) await stranger();
      else await session();
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  if (done.admittedWrongly > 0) throw new Error(`${done.admittedWrongly} logins with a wrong token were let in`);
  return {
    text:
      `${IDLE} idle or slow connections, ${done.refused} wrong logins refused, ${done.turnedAway} logins turned away unheard, ` +
      `${done.strangers} strangers, ${done.frames} fuzzed frames in ${done.sessions} sessions`,
    end: () => idle.forEach((socket) => socket.destroy()),
  };
}
