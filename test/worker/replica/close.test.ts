/** Owns: that closing a replica ends, whatever its thread is doing. */
import { expect, it } from 'vitest';
import { ensureTensorFlow } from '../../../src/engine/tensorflow/tensorflow_library.js';
import { hasStuckThreads } from '../../../src/system/stuck_threads.js';
import { LocalReplica } from '../../../src/worker/replica/local_replica.js';
import { drawnImages, specUnderTest, testModel } from '../../support/replica_under_test.js';

it('a replica whose thread hangs is closed all the same', async () => {
  const dataset = await drawnImages({ examples: 2, shape: [4], classes: 2 });
  const { folder } = await ensureTensorFlow();
  const replica = new LocalReplica(specUnderTest(folder, { model: testModel('endless'), dataset }), 300);
  const channel = new BroadcastChannel('endless');
  const begun = new Promise((resolve) => (channel.onmessage = resolve));
  const opened = replica.open().then(
    () => 'open',
    () => 'refused',
  );
  await begun;
  channel.close();
  await replica.close();
  expect(await opened).toBe('refused');
  // JavaScript can be interrupted; native code cannot, and would be told here.
  expect(hasStuckThreads()).toBe(false);
});
