/**
 * Owns: a run's dashboard, where one is asked for: its address and token, its link told, and the run's events, waits and folder handed to it.
 * Does not: serve it (src/report/dashboard).
 */
import { hostname } from 'node:os';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { isLoopback, parseEndpoint, type Endpoint } from '../common/endpoint.js';
import { ClusterError } from '../common/errors.js';
import type { RunWishes } from '../common/run_wishes.js';
import { openDashboard, type Dashboard } from '../report/dashboard/open_dashboard.js';
import { defaultTokenFile, findToken } from '../transport/token.js';
import type { RunRequest } from './run_request.js';

const DEFAULT: Endpoint = { host: '127.0.0.1', port: 29_580 };

/** Null where none is asked for. @throws UsageError ENDPOINT_INVALID, ClusterError PORT_IN_USE, LISTEN_FAILED */
export async function dashboardOf(
  { config, say, observer }: Pick<RunRequest, 'config' | 'say' | 'observer'>,
  wishes: RunWishes,
): Promise<Dashboard | null> {
  const { dashboard: asked } = config;
  if (asked === null) return null;
  const isAuto = asked === 'auto';
  const listen = isAuto ? DEFAULT : parseEndpoint(asked, { flag: '--dashboard', defaults: DEFAULT });
  const { token, notice } = await tokenOfUser();
  const linkHost = ['0.0.0.0', '::'].includes(listen.host) ? hostname() : listen.host;
  const dashboard = await openDashboard({ listen, mayMove: isAuto, linkHost, token, wishes, warn: observer });
  say(`dashboard ${dashboard.link}`);
  if (notice !== null) say(notice);
  if (!isLoopback(listen.host))
    say('WARNING: the dashboard is not encrypted: anybody on the way can read it; ssh -L and a loopback address are safer');
  return dashboard;
}

/** One for all runs of this user, so that a page survives a restart. Where none can be kept, one for this process. */
async function tokenOfUser(): Promise<{ token: string; notice: string | null }> {
  const path = join(dirname(defaultTokenFile(process.env)), 'dashboard.token');
  try {
    const { token } = await findToken({
      ...{ source: { kind: 'file', path }, create: true },
      ...{ environment: process.env, stdin: process.stdin },
    });
    return { token, notice: null };
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    return { token: randomBytes(32).toString('base64url'), notice: `this link holds for this process alone: ${error.message}` };
  }
}
