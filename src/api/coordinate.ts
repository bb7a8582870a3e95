/**
 * Owns: a training on a cluster, as a call on the coordinator's side. Next hop: compose.ts, with the crew of cluster_crew.ts.
 */
import type { EndEvent } from '../common/run_events.js';
import { ClusterRecruiter } from './cluster_crew.js';
import { compose } from './compose.js';
import type { CoordinationRequest } from './run_request.js';

/** Runs one training on workers that come and go. Closes the door, and says goodbye to workers, whatever happens. */
export async function coordinate(request: CoordinationRequest): Promise<EndEvent> {
  return (await compose(request, new ClusterRecruiter(request))).end;
}
