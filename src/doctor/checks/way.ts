/** Owns: the way to a coordinator: name, port, TLS, token, version, and what the way can carry. Each step rests on the one before. */
import { formatEndpoint, isLoopback } from '../../common/endpoint.js';
import { errorCode, errorMessage } from '../../common/error_facts.js';
import { ExpectedError } from '../../common/errors.js';
import type { Way } from '../../transport/probe.js';
import type { Check, Finding } from '../check.js';
import type { Coordinator } from '../coordinator.js';
import { gigabytes } from '../words.js';

/** Weights of the reference CNN, as an example that is measured in docs/benchmarks.md. */
const EXAMPLE_WEIGHTS = 1_085_002;
const SLOW_EXCHANGE_MS = 100;
const LONG_TRIP_MS = 10;
const CLOCK_MS = 60_000;

export const way: Check = {
  name: 'coordinator',
  async find({ coordinator }): Promise<Finding[]> {
    if (coordinator === null) return [];
    const found: Finding[] = [];
    for (const step of [name, port, login]) {
      const findings = await step(coordinator);
      found.push(...findings);
      if (findings.some(({ status }) => status === 'problem')) break;
    }
    return found;
  },
};

async function name({ endpoint, lookUp }: Coordinator): Promise<Finding[]> {
  try {
    const addresses = await lookUp();
    return [
      {
        status: 'ok',
        name: 'name',
        found: `${endpoint.host} is ${addresses.join(', ')}`,
        figures: { addresses: addresses.join(' ') },
      },
    ];
  } catch (error) {
    return [
      {
        status: 'problem',
        name: 'name',
        found: `no address is known for ${endpoint.host}: ${errorMessage(error)}`,
        next: "Check the name in --host and this machine's DNS (/etc/resolv.conf), or give the address itself.",
      },
    ];
  }
}

const REASONS: Readonly<Record<string, readonly [means: string, next: string]>> = {
  ECONNREFUSED: [
    'The machine answers, and nothing listens on that port.',
    'Check that the coordinator runs there, and that its --listen is an address that this machine reaches (0.0.0.0 for all), not 127.0.0.1.',
  ],
  EHOSTUNREACH: ['There is no route to that machine.', 'Check the network of both machines.'],
  ENETUNREACH: ['There is no route to that network.', 'Check the network of this machine.'],
};
const SILENT = [
  'Nothing answers: a firewall drops it, or the machine is off.',
  'Open the port to this machine in the firewall or security group.',
] as const;

async function port({ endpoint, connect }: Coordinator): Promise<Finding[]> {
  const at = formatEndpoint(endpoint);
  try {
    const ms = await connect();
    return [
      { status: 'ok', name: 'port', found: `${at} takes connections, after ${ms.toFixed(1)} ms`, figures: { connect_ms: ms } },
    ];
  } catch (error) {
    const [means, next] = REASONS[errorCode(error) ?? ''] ?? SILENT;
    return [{ status: 'problem', name: 'port', found: `${at} takes no connection: ${errorMessage(error)}`, means, next }];
  }
}

/** Which step an error of the login belongs to. */
const STEPS: Readonly<Record<string, string>> = {
  CERTIFICATE_UNTRUSTED: 'tls',
  TLS_FILE: 'tls',
  COORDINATOR_UNPROVEN: 'token',
  TOKEN_REFUSED: 'token',
  TOKEN_MISSING: 'token',
  TOKEN_INVALID: 'token',
  TOKEN_EXPOSED: 'token',
  TOKEN_FILE: 'token',
  VERSION_DIFFERS: 'version',
  PROBE_ENDED: 'way',
};

async function login(coordinator: Coordinator): Promise<Finding[]> {
  try {
    return judge(coordinator, await coordinator.measure());
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    return [
      {
        status: 'problem',
        name: STEPS[error.code] ?? 'coordinator',
        found: error.message,
        next: error.next,
        figures: { code: error.code },
      },
    ];
  }
}

const TLS = {
  psk: 'keys from the token (TLS 1.2)',
  trusted_certificate: 'a certificate that is trusted (TLS 1.3)',
  certificate: '',
  none: 'none',
} as const;

function judge({ endpoint, encryption, software }: Coordinator, found: Way): Finding[] {
  const open = encryption === 'none' && !isLoopback(endpoint.host);
  return [
    open
      ? {
          status: 'note',
          name: 'tls',
          found: 'none, by --insecure-plaintext',
          means: 'Data and weights cross the network unencrypted; the token does not.',
          next: 'Leave out --insecure-plaintext on both sides.',
        }
      : { status: 'ok', name: 'tls', found: `${TLS[encryption]}${encryption === 'none' ? ', on this machine alone' : ''}` },
    { status: 'ok', name: 'token', found: 'right, on both sides' },
    version(),
    latency(found),
    bandwidth(found),
    clock(found),
  ];

  function version(): Finding {
    const figures = { here: software, there: found.software };
    if (found.software === software) return { status: 'ok', name: 'version', found: `${software} on both sides`, figures };
    return {
      status: 'problem',
      name: 'version',
      found: `tfjs-parallel ${software} here, ${found.software} there`,
      means: 'The coordinator sends this worker away.',
      next: `Install the same version on both: npm install tfjs-parallel@${found.software}`,
      figures,
    };
  }
}

function latency({ leastMs, medianMs }: Way): Finding {
  const figures = { least_ms: leastMs, median_ms: medianMs };
  const found = `${medianMs.toFixed(medianMs < 10 ? 2 : 0)} ms there and back, ${leastMs.toFixed(leastMs < 10 ? 2 : 0)} at least`;
  if (medianMs <= LONG_TRIP_MS) return { status: 'ok', name: 'latency', found, figures };
  return {
    status: 'note',
    name: 'latency',
    found,
    means: 'Each step waits for it at least once: a larger --batch makes fewer steps.',
    figures,
  };
}

function bandwidth({ upBytesPerS, downBytesPerS }: Way): Finding {
  const exchangeMs = 4000 * EXAMPLE_WEIGHTS * (1 / upBytesPerS + 1 / downBytesPerS);
  const figures = {
    up_bytes_per_s: Math.round(upBytesPerS),
    down_bytes_per_s: Math.round(downBytesPerS),
    exchange_ms: exchangeMs,
  };
  const found = `${gigabytes(upBytesPerS)}/s to it, ${gigabytes(downBytesPerS)}/s from it`;
  const means = `A step of ${(EXAMPLE_WEIGHTS / 1e6).toFixed(1)} million weights takes ${exchangeMs.toFixed(0)} ms of it for one worker; several share the coordinator's end.`;
  if (exchangeMs <= SLOW_EXCHANGE_MS) return { status: 'ok', name: 'bandwidth', found, means, figures };
  return {
    status: 'note',
    name: 'bandwidth',
    found,
    means,
    next: 'Compare that with the time a step computes (tfjs-parallel bench): a larger --batch makes fewer steps.',
    figures,
  };
}

function clock({ clockAheadMs, leastMs }: Way): Finding {
  const apart = Math.abs(clockAheadMs);
  const figures = { ahead_ms: clockAheadMs };
  const found =
    apart <= leastMs / 2 + 1
      ? 'the same as here'
      : `${apart < 1000 ? `${apart.toFixed(0)} ms` : `${(apart / 1000).toFixed(0)} s`} ${clockAheadMs > 0 ? 'ahead of' : 'behind'} ours`;
  if (apart < CLOCK_MS) return { status: 'ok', name: 'its clock', found, figures };
  return {
    status: 'note',
    name: 'its clock',
    found,
    means: 'Training does not go by it; certificates and records do.',
    next: 'Set both clocks (sudo timedatectl set-ntp true).',
    figures,
  };
}
