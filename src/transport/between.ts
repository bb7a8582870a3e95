/**
 * Owns: the signs of what stands between a worker and its coordinator, each with a code of its own: what ends TLS, a web server or proxy, the PROXY
 * protocol, a path that swallows large packets.
 * Does not: connect (client.ts), or give the coordinator's own signs (server.ts does, by `LOGIN.seesHeader`).
 */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { ClusterError } from '../common/errors.js';
import { LOGIN } from '../common/protocol/login.js';
import { printable } from '../common/one_line.js';

/** What a coordinator saw of a worker's words where they were changed on their way. */
export const SEES = { host: 'host', proxyProtocol: 'proxy-protocol' } as const;

const RECIPES = 'docs/cluster.md, "What stands between", has recipes for nginx, HAProxy and ssh.';

/**
 * A connection's name, the same on both ends where TLS goes from one to the other, whichever keys it has. The nonce keeps plaintext, whose exporter is
 * empty, from having one name for ever.
 */
export function channelOf(exporter: string, nonce: string): string {
  return createHash('sha256')
    .update(JSON.stringify(['tfjs-parallel channel', nonce, exporter]))
    .digest('hex');
}

export function tlsEndsBetween(at: string): ClusterError {
  return new ClusterError({
    code: 'TLS_ENDS_BETWEEN',
    message: `something between us and the coordinator at ${at} ends TLS (nginx, HAProxy, stunnel, a load balancer), and a login is bound to its TLS connection`,
    next: `Let it pass TCP through as it is, without a certificate of its own: the token encrypts from end to end. ${RECIPES}`,
  });
}

export function proxyProtocol(at: string): ClusterError {
  return new ClusterError({
    code: 'PROXY_PROTOCOL',
    message: `a proxy before the coordinator at ${at} puts the PROXY protocol before our words, which the coordinator does not speak`,
    next: `Take \`send-proxy\` (HAProxy) or \`proxy_protocol on\` (nginx) out of its configuration. ${RECIPES}`,
  });
}

export function upgradeDropped(at: string): ClusterError {
  return new ClusterError({
    code: 'UPGRADE_DROPPED',
    message: `an HTTP proxy before the coordinator at ${at} drops the upgrade to a WebSocket`,
    next: `Let it pass TCP through as it is, not HTTP. ${RECIPES}`,
  });
}

/** What answered the login with HTTP that is not a coordinator's. `isEncrypted`: our side speaks TLS. */
export function otherAnswer(
  at: string,
  { status, headers, isEncrypted }: { status: number; headers: IncomingHttpHeaders; isEncrypted: boolean },
): ClusterError {
  const sees = headers[LOGIN.seesHeader];
  if (sees === SEES.proxyProtocol) return proxyProtocol(at);
  // Who rewrites what TLS carries has ended it.
  if (sees === SEES.host && isEncrypted) return tlsEndsBetween(at);
  if (sees === SEES.host) {
    return new ClusterError({
      code: 'HOST_REWRITTEN',
      message: `an HTTP proxy before the coordinator at ${at} rewrites our Host header`,
      next: `Let it pass TCP through as it is, not HTTP. ${RECIPES}`,
    });
  }
  const { server, via, 'content-type': type } = headers;
  const signs = [`HTTP status ${status}`, ...[server, via, type].filter((sign) => sign !== undefined)];
  const sign = printable(signs.join(', ').slice(0, 200));
  if ([502, 503, 504].includes(status)) {
    return new ClusterError({
      code: 'COORDINATOR_UNREACHABLE',
      message: `cannot reach a coordinator at ${at}: a proxy answers that it cannot either (${sign})`,
      next: `Check that the coordinator runs, and that the proxy leads to its port. ${RECIPES}`,
    });
  }
  if (server !== undefined || via !== undefined || type?.startsWith('text/html')) {
    return new ClusterError({
      code: 'WEB_SERVER_ANSWERS',
      message: `a web server or an HTTP proxy answers at ${at}, not a coordinator of tfjs-parallel (${sign})`,
      next: `Check the address and the port; what must stand between has to pass TCP through as it is. ${RECIPES}`,
    });
  }
  return notACoordinator(at, sign);
}

export function notACoordinator(at: string, sign: string): ClusterError {
  return new ClusterError({
    code: 'NOT_A_COORDINATOR',
    message: `what answers at ${at} is no coordinator of tfjs-parallel (${sign})`,
    next: 'Check the address and the port in --host: the coordinator prints where it waits for workers.',
  });
}

/** The login, all of small packets, went well, and what followed, larger than a packet, did not come through. */
export function largePacketsLost(at: string, reason: string): ClusterError {
  return new ClusterError({
    code: 'LARGE_PACKETS_LOST',
    message: `the coordinator at ${at} let us in, and nothing larger than a small packet came through after it: ${reason}`,
    next:
      'If the coordinator itself goes on, the path swallows large packets: set a smaller MTU on both machines ' +
      '(`ip link set dev eth0 mtu 1280`), or let ICMP "fragmentation needed" through.',
  });
}
