/** A process that attacks a coordinator (scripts/chaos/attack.mjs), so that the coordinator's own process is measured alone. */
import { attack } from '../../scripts/chaos/attack.mjs';
import { randomFrom } from '../../scripts/crash/plan.mjs';

process.once('disconnect', () => process.exit(0));
process.on('message', async ({ port, token, frames, seed, build }) => {
  const { text, end } = await attack({ port, token, frames, build, random: randomFrom(seed), goesOn: () => true });
  end();
  process.send(text);
});
