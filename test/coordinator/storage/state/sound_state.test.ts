import { expect, it } from 'vitest';
import { isSound, SoundStates } from '../../../../src/coordinator/storage/state/sound_state.js';
import { MemoryDisk } from '../../../support/memory_disk.js';

it.each([
  [5, null, true],
  [20, 2, true],
  [20.1, 2, false],
  [NaN, 2, false],
  [Infinity, null, false],
  [-20, -2, true],
  [16, -2, true],
  [16.1, -2, false],
  [0, 0, true],
])('a loss of %f after a best of %f: %s', (loss, best, sound) => {
  expect(isSound(loss, best)).toBe(sound);
});

it('remembers over a restart which state is sound, and the best loss, and forgets a state that is gone', async () => {
  const disk = new MemoryDisk();
  await disk.createFolder('/run');
  await disk.createFolder('/run/state');
  const place = { run: '/run', states: '/run/state', fileSystem: disk };
  const first = new SoundStates(place);
  first.written({ path: '/run/state/a.safetensors', epoch: 1 });
  expect(await first.evaluated(1)).toBe(true);
  first.written({ path: '/run/state/b.safetensors', epoch: 2 });
  expect(await first.evaluated(11)).toBe(false);
  expect(first.sound).toEqual({ file: 'a.safetensors', epoch: 1, path: '/run/state/a.safetensors' });

  const gone = new SoundStates(place);
  await gone.restore();
  expect([gone.sound, await gone.evaluated(11)]).toEqual([null, false]);

  const file = await disk.open('/run/state/a.safetensors', 'create');
  await file.close();
  const second = new SoundStates(place);
  await second.restore();
  expect(second.sound?.file).toBe('a.safetensors');

  const damaged = await disk.open('/run/sound.json', 'update');
  await damaged.write(Buffer.from('{]'), 0);
  await damaged.close();
  const third = new SoundStates(place);
  await third.restore();
  expect([third.sound, await third.evaluated(11)]).toEqual([null, true]);
});
