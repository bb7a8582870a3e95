/**
 * Owns: nginx, HAProxy, stunnel, ssh and a path with a smaller MTU, for real: the recipes of docs/cluster.md work as they stand there, and what cannot work is
 * named by its sign.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectToCoordinator, type ClientTls } from '../../src/transport/client.js';
import { hasOpenssl, makeCertificate } from '../support/certificates.js';
import { loopbackCluster, SECRET, type TestCluster } from '../support/loopback_cluster.js';
import { namespacesMissing } from '../support/network_namespaces.js';
import { swallowingPath } from '../support/swallowing_path.js';
import { temporaryFolder } from '../support/temporary_folder.js';
import { stablePort } from '../support/stable_port.js';

const PLAIN: ClientTls = { kind: 'none' };
const PSK: ClientTls = { kind: 'psk' };
const STREAM = '/usr/lib/nginx/modules/ngx_stream_module.so';

const has = (program: string, ...args: string[]): boolean => spawnSync(program, args).error === undefined;
const here = {
  nginx: has('nginx', '-v') && existsSync(STREAM),
  haproxy: has('haproxy', '-v'),
  stunnel: has('stunnel4', '-version') && hasOpenssl,
  ssh: has('ssh', '-V') && existsSync('/usr/sbin/sshd'),
};
const PACKAGES = {
  nginx: 'nginx-light libnginx-mod-stream',
  haproxy: 'haproxy',
  stunnel: 'stunnel4',
  ssh: 'openssh-server openssh-client',
};
for (const program of Object.keys(here) as (keyof typeof here)[])
  if (!here[program])
    console.warn(`what_stands_between.test.ts: ${program} skipped: not installed (apt-get install ${PACKAGES[program]})`);

/** The block of docs/cluster.md that begins with this line, without its indent. */
function recipe(first: string): string {
  const lines = readFileSync('docs/cluster.md', 'utf8').split('\n');
  const from = lines.findIndex((line) => line.startsWith(`    ${first}`));
  const length = lines.slice(from).findIndex((line) => line === '');
  return lines
    .slice(from, from + length)
    .map((line) => line.slice(4))
    .join('\n');
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });

/** Runs until the test ends; resolves once it listens. */
async function running(program: string, args: readonly string[], port: number): Promise<void> {
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`${program} ended: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function nginx(blocks: string, port: number): Promise<void> {
  const folder = await temporaryFolder();
  const config = join(folder, 'nginx.conf');
  const http = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder};`).join(' ');
  writeFileSync(
    config,
    `load_module ${STREAM};\ndaemon off;\nmaster_process off;\npid ${folder}/pid;\nerror_log ${folder}/error;\nevents {}\n${blocks.replace('http {', `http { access_log off; ${http}`)}\n`,
  );
  await running('nginx', ['-c', config, '-p', folder, '-e', join(folder, 'error')], port);
}

async function haproxy(text: string, port: number): Promise<void> {
  const folder = await temporaryFolder();
  writeFileSync(join(folder, 'haproxy.cfg'), `${text}\n`);
  await running('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], port);
}

const TIMEOUTS = 'timeout connect 5s\n timeout client 1h\n timeout server 1h';
const login = (port: number, tls: ClientTls) =>
  connectToCoordinator({ coordinator: { host: '127.0.0.1', port }, secret: SECRET, tls }).then((socket) => socket.terminate());
const coordinator = (tls: ClientTls): Promise<TestCluster> =>
  loopbackCluster({ tls: tls.kind === 'psk' ? { kind: 'psk' } : { kind: 'none' } });

/** A worker joins through the port. */
async function joinsThrough(cluster: TestCluster, port: number, tls: ClientTls): Promise<void> {
  const { admitted } = await cluster.join({ tls, port });
  expect(await admitted).toBe('w');
}

describe('the recipes of docs/cluster.md', () => {
  it.skipIf(!here.nginx)('nginx passes TCP through', async () => {
    const [cluster, port] = [await coordinator(PSK), await stablePort()];
    const text = recipe('stream {').replace('listen 29500', `listen 127.0.0.1:${port}`);
    await nginx(text.replace('10.0.0.5:29500', `127.0.0.1:${cluster.port}`), port);
    await joinsThrough(cluster, port, PSK);
  });

  it.skipIf(!here.haproxy)('HAProxy passes TCP through', async () => {
    const [cluster, port] = [await coordinator(PSK), await stablePort()];
    const text = recipe('listen tfjs-parallel').replace('bind :29500', `bind 127.0.0.1:${port}`);
    await haproxy(text.replace('10.0.0.5:29500', `127.0.0.1:${cluster.port}`), port);
    await joinsThrough(cluster, port, PSK);
  });

  it.skipIf(!here.ssh)('ssh -L leads to a coordinator on its own machine alone', async () => {
    const [cluster, port, door] = [await coordinator(PLAIN), await stablePort(), await stablePort()];
    const folder = await temporaryFolder();
    for (const name of ['host', 'user']) spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]);
    const { username } = userInfo();
    // Where its package has not been started by an init system.
    if (username === 'root') mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
    const options = [
      'ListenAddress=127.0.0.1',
      `Port=${door}`,
      `HostKey=${folder}/host`,
      `AuthorizedKeysFile=${folder}/user.pub`,
    ];
    const daemon = [...options, 'PermitRootLogin=yes', 'StrictModes=no', 'UsePAM=no', 'PidFile=none'].flatMap((option) => [
      '-o',
      option,
    ]);
    await running('/usr/sbin/sshd', ['-D', '-e', '-f', '/dev/null', ...daemon], door);
    const [, ...args] = recipe('ssh -N')
      .replace('29500:127.0.0.1:29500', `127.0.0.1:${port}:127.0.0.1:${cluster.port}`)
      .replace('me@10.0.0.5', `${username}@127.0.0.1`)
      .split(' ');
    const quiet = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes'].flatMap((option) => [
      '-o',
      option,
    ]);
    await running('ssh', ['-F', '/dev/null', '-p', String(door), '-i', join(folder, 'user'), ...quiet, ...args], port);
    await joinsThrough(cluster, port, PLAIN);
  });
});

describe('what ends TLS in front of the coordinator is named', () => {
  const ends = async (start: (at: { cluster: TestCluster; port: number; folder: string }) => Promise<void>): Promise<void> => {
    const [cluster, port, folder] = [await coordinator(PLAIN), await stablePort(), await temporaryFolder()];
    const { certificate, key } = makeCertificate(folder, 'between');
    writeFileSync(join(folder, 'both.pem'), `${certificate}${key}`);
    await start({ cluster, port, folder });
    const trusting: ClientTls = { kind: 'trusted_certificate', authority: certificate };
    await expect(login(port, trusting)).rejects.toMatchObject({ code: 'TLS_ENDS_BETWEEN' });
  };

  it.skipIf(!here.nginx || !hasOpenssl).each(['http', 'stream'])('nginx, %s', async (kind) => {
    await ends(async ({ cluster, port, folder }) => {
      const tls = `listen 127.0.0.1:${port} ssl; ssl_protocols TLSv1.3; ssl_certificate ${folder}/between.pem; ssl_certificate_key ${folder}/between.key;`;
      const to =
        kind === 'http' ? `location / { proxy_pass http://127.0.0.1:${cluster.port}; }` : `proxy_pass 127.0.0.1:${cluster.port};`;
      await nginx(`${kind} { server { ${tls} ${to} } }`, port);
    });
  });

  it.skipIf(!here.haproxy || !hasOpenssl).each(['http', 'tcp'])('HAProxy, mode %s', async (mode) => {
    await ends(({ cluster, port, folder }) =>
      haproxy(
        `listen l\n mode ${mode}\n bind 127.0.0.1:${port} ssl crt ${folder}/both.pem\n ${TIMEOUTS}\n server c 127.0.0.1:${cluster.port}`,
        port,
      ),
    );
  });

  it.skipIf(!here.stunnel)('stunnel', async () => {
    await ends(async ({ cluster, port, folder }) => {
      const lines = ['foreground = yes', 'pid =', '[c]', `accept = 127.0.0.1:${port}`, `connect = 127.0.0.1:${cluster.port}`];
      writeFileSync(join(folder, 'stunnel.conf'), [...lines, `cert = ${folder}/both.pem`].join('\n') + '\n');
      await running('stunnel4', [join(folder, 'stunnel.conf')], port);
    });
  });
});

describe('what changes the words on their way is named', () => {
  it.skipIf(!here.nginx).each([
    ['HOST_REWRITTEN', ''],
    ['UPGRADE_DROPPED', 'proxy_set_header Host $http_host;'],
  ])('nginx as an HTTP proxy: %s', async (code, more) => {
    const [{ port: behind }, port] = [await coordinator(PLAIN), await stablePort()];
    const server = `listen 127.0.0.1:${port}; location / { ${more} proxy_pass http://127.0.0.1:${behind}; }`;
    await nginx(`http { server { ${server} } }`, port);
    await expect(login(port, PLAIN)).rejects.toMatchObject({ code });
  });

  it.skipIf(!here.haproxy).each([
    ['send-proxy', PLAIN],
    ['send-proxy', PSK],
    ['send-proxy-v2', PLAIN],
    ['send-proxy-v2', PSK],
  ])('HAProxy’s %s', async (option, tls) => {
    const [cluster, port] = [await coordinator(tls), await stablePort()];
    await haproxy(
      `listen l\n mode tcp\n bind 127.0.0.1:${port}\n ${TIMEOUTS}\n server c 127.0.0.1:${cluster.port} ${option}`,
      port,
    );
    await expect(login(port, tls)).rejects.toMatchObject({ code: 'PROXY_PROTOCOL' });
    expect(cluster.lines.at(-1)).toContain('PROXY protocol');
  });

  it.skipIf(!here.nginx).each([
    ['WEB_SERVER_ANSWERS', 'return 200 "<html>welcome</html>";'],
    ['WEB_SERVER_ANSWERS', 'return 404;'],
    ['COORDINATOR_UNREACHABLE', 'proxy_set_header Host $http_host; proxy_pass http://127.0.0.1:1;'],
  ])('nginx that answers itself: %s', async (code, location) => {
    const port = await stablePort();
    await nginx(`http { server { listen 127.0.0.1:${port}; location / { ${location} } } }`, port);
    await expect(login(port, PLAIN)).rejects.toMatchObject({ code, message: expect.stringContaining('nginx') as string });
  });
});

const missing = namespacesMissing();
if (missing !== null) console.warn(`what_stands_between.test.ts: a path with a smaller MTU skipped: ${missing}`);

describe.skipIf(missing !== null)('a path that swallows packets over 1,280 bytes', () => {
  it.each(['up', 'down'] as const)('%s lets a login through, and shows itself in the first message', async (way) => {
    const times = { heartbeatMs: 100, heartbeatTimeoutMs: 60_000, sendTimeoutMs: 60_000, questionMs: 2000 };
    const cluster = await loopbackCluster({ tls: { kind: 'psk' }, cluster: { times } });
    const port = await swallowingPath(cluster.port, { way, folder: await temporaryFolder() });
    const { session } = await cluster.join({ port, tls: PSK, host: { times } });
    expect(await session.ended).toMatchObject({ kind: 'broken', admitted: false, isUnheard: true });
  });

  it('is what the two above fail by: without it a worker joins', async () => {
    const cluster = await loopbackCluster({ tls: { kind: 'psk' } });
    await joinsThrough(cluster, await swallowingPath(cluster.port, { way: 'none', folder: await temporaryFolder() }), PSK);
  });
});
