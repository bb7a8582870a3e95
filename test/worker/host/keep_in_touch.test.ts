import { expect, it } from 'vitest';
import { ClusterError } from '../../../src/common/errors.js';
import type { StopRequest } from '../../../src/common/stop_request.js';
import { keepInTouch, type Milestones } from '../../../src/worker/host/keep_in_touch.js';
import type { SessionEnd } from '../../../src/worker/host/worker_core.js';

const MINUTE = 60_000;

/** Sessions as scripted, on a clock that only they and the pauses between them move. */
function touch(waitMs: number, session: (clock: { ms: number }, milestones: Milestones, nth: number) => Promise<SessionEnd>) {
  const clock = { ms: 0 };
  const lines: string[] = [];
  const stop: StopRequest = { reason: null, asked: new AbortController().signal, hurry: new AbortController().signal };
  let sessions = 0;
  const end = keepInTouch(
    {
      ...{ coordinator: { host: 'there', port: 1 }, waitMs, stop, say: (line) => lines.push(line), nowMs: () => clock.ms },
      pause: (ms) => {
        clock.ms += ms;
        return Promise.resolve();
      },
    },
    (milestones) => session(clock, milestones, ++sessions),
  );
  return { end, clock, lines, sessions: () => sessions };
}

const failure = (code: string) => new ClusterError({ code, message: `${code} said`, next: 'Nothing.' });
const broken = (admitted: boolean): SessionEnd => ({
  kind: 'broken',
  reason: 'the connection was closed without a goodbye',
  admitted,
});

it('says at the start how long it will look, and looks that long for a coordinator that it never saw', async () => {
  const { end, clock, lines } = touch(10 * MINUTE, () => Promise.reject(failure('COORDINATOR_UNREACHABLE')));
  await expect(end).rejects.toMatchObject({ code: 'COORDINATOR_UNREACHABLE' });
  expect(lines).toEqual([
    'looking for the coordinator at there:1, for up to 600 s without an answer (--wait)',
    'COORDINATOR_UNREACHABLE said; trying again for 600 s',
  ]);
  // The last pause, of at most 10 s, began within the ten minutes.
  expect(clock.ms).toBeGreaterThan(10 * MINUTE);
  expect(clock.ms).toBeLessThan(10 * MINUTE + 10_000);
});

it('comes back when its connection breaks 20 minutes after its start and before it was ever admitted', async () => {
  const { end, sessions } = touch(10 * MINUTE, (clock, { onLoggedIn, onAdmitted }, nth) => {
    onLoggedIn();
    // It fetches TensorFlow meanwhile.
    clock.ms += 20 * MINUTE;
    if (nth === 1) return Promise.resolve(broken(false));
    onAdmitted();
    return Promise.resolve({ kind: 'finished', reason: 'done' });
  });
  expect([await end, sessions()]).toEqual(['done', 2]);
});

it('gives up on a coordinator that lets it in and never admits it, once it has paused for as long as it waits', async () => {
  const { end, sessions } = touch(MINUTE, (_, { onLoggedIn }) => {
    onLoggedIn();
    return Promise.resolve(broken(false));
  });
  await expect(end).rejects.toThrow('lost the coordinator at there:1: the connection was closed without a goodbye');
  // 0.5 + 1 + 2 + 4 + 8 s and then 10 s each, of which a random share of at least half is paused: between 9 and 16 pauses make a minute.
  expect(sessions()).toBeGreaterThanOrEqual(9);
  expect(sessions()).toBeLessThanOrEqual(17);
});

it('names a path that swallows large packets where the login goes through and nothing after it, and counts that time as waiting', async () => {
  const { end, clock, lines, sessions } = touch(MINUTE, (at, { onLoggedIn }) => {
    onLoggedIn();
    at.ms += 10_000;
    return Promise.resolve({ kind: 'broken', reason: 'no welcome within 10 s', admitted: false, isUnheard: true });
  });
  await expect(end).rejects.toMatchObject({ code: 'LARGE_PACKETS_LOST', next: expect.stringContaining('mtu 1280') as string });
  expect(lines.slice(1)).toEqual([
    expect.stringContaining('nothing larger than a small packet came through after it: no welcome within 10 s'),
  ]);
  // Six of 10 s would be a minute; the pauses between them are part of it.
  expect(sessions()).toBeLessThanOrEqual(6);
  expect(clock.ms).toBeLessThan(MINUTE + 10_000 + 10_000);
});

it.each(['HOST_UNKNOWN', 'NOT_A_COORDINATOR', 'WEB_SERVER_ANSWERS'])(
  'ends at once where the address is wrong (%s), but not after a session',
  async (code) => {
    const first = touch(10 * MINUTE, () => Promise.reject(failure(code)));
    await expect(first.end).rejects.toMatchObject({ code });
    expect([first.sessions(), first.clock.ms]).toEqual([1, 0]);
    const later = touch(10 * MINUTE, (_, { onLoggedIn }, nth) => {
      if (nth === 2) return Promise.reject(failure(code));
      onLoggedIn();
      return Promise.resolve(nth === 1 ? broken(true) : { kind: 'finished', reason: 'done' });
    });
    expect([await later.end, later.sessions()]).toEqual(['done', 3]);
  },
);
