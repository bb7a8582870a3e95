/** Owns: whether a coordinator could listen here. */
import type { Check, Finding } from '../check.js';
import { DEFAULT_ENDPOINT, formatEndpoint } from '../../common/endpoint.js';

export const ports: Check = {
  name: 'ports',
  async find({ machine }): Promise<Finding[]> {
    const at = formatEndpoint(DEFAULT_ENDPOINT);
    const why = await machine.whyNotListen(DEFAULT_ENDPOINT.host, DEFAULT_ENDPOINT.port);
    const figures = { address: at, free: why === null };
    if (why === null) return [{ status: 'ok', found: `a coordinator can listen at ${at}`, figures }];
    return [
      {
        status: 'note',
        found: `no coordinator can listen at ${at}: ${why}`,
        means: 'It may be one that runs; training on this machine alone needs no port.',
        next: `Run \`ss -ltnp sport = :${DEFAULT_ENDPOINT.port}\` to see who does, or give another port with --listen.`,
        figures,
      },
    ];
  },
};
