/** Why an address cannot be listened on, and what to do. */
import { formatEndpoint, type Endpoint } from './endpoint.js';
import { ClusterError } from './errors.js';

/** `flag`: the one that named the address. `why`: what the system said, in words. */
export function listenError(
  error: Error & { code?: string },
  { listen, flag, why = error.message }: { listen: Endpoint; flag: '--listen' | '--dashboard'; why?: string },
): ClusterError {
  const at = formatEndpoint(listen);
  const inUse = error.code === 'EADDRINUSE';
  return new ClusterError({
    code: inUse ? 'PORT_IN_USE' : 'LISTEN_FAILED',
    message: inUse
      ? `cannot listen on ${at}: the port is in use by another process`
      : `cannot listen on ${at}: ${error.code === 'EACCES' ? 'this user may not listen there' : why}`,
    next: inUse
      ? `End the other process (\`ss -ltnp sport = :${listen.port}\` names it), or choose another port with ${flag}.`
      : `Give ${flag} an address of this machine.`,
    cause: error,
  });
}
