/** One worker process of the exchange benchmark: the product's own client and session, a replica whose gradient is ready. */
import { markAtOnce } from '../../dist/cli/collector.js';
import { layoutSha256 } from '../../dist/transport/identity.js';
import { secretOf } from '../../dist/transport/secrets.js';
import { connectToCoordinator } from '../../dist/transport/client.js';
import { WorkerSession } from '../../dist/worker/host/session.js';
import { preparedJob, SOFTWARE } from './fixture.mjs';

markAtOnce();
process.once('disconnect', () => process.exit(0));
process.once('message', async ({ port, token, name, elements }) => {
  const coordinator = { host: '127.0.0.1', port };
  const socket = await connectToCoordinator({ coordinator, secret: secretOf(token), tls: { kind: 'none' } });
  const session = new WorkerSession(socket, {
    software: SOFTWARE,
    name,
    process: `bench-exchange-${process.pid}-${Date.now()}`,
    deviceNames: ['cpu(0)'],
    prepare: (job) => Promise.resolve(preparedJob({ job, elements, layoutSha256 })),
    onAdmitted: () => {},
  });
  const end = await session.ended;
  process.exit(end.kind === 'finished' ? 0 : 1);
});
