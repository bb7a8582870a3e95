import { once } from 'node:events';
import { readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { cacheFolder } from '../../../src/data/cache_folder.js';
import { loadMnist, MNIST_FILES, type MnistOptions } from '../../../src/data/sources/mnist.js';
import type { DataProgress } from '../../../src/data/progress.js';
import { idxBytes, sha256 } from '../../support/idx_bytes.js';
import { temporaryFolder } from '../../support/temporary_folder.js';
import { plain } from '../../support/plain_data.js';

/** MNIST in small: 7 and 3 images of 2 × 2. Made of the real names, so that mirrors, folders and cache are the real ones. */
const CONTENT = [idxBytes([7, 2, 2]), idxBytes([7], [0, 1, 2, 3, 4, 5, 9]), idxBytes([3, 2, 2]), idxBytes([3], [9, 0, 4])];
const SHAPES = [[7, 2, 2], [7], [3, 2, 2], [3]];
const FILES = MNIST_FILES.map((file, i) => ({
  ...file,
  shape: SHAPES[i],
  sha256: sha256(CONTENT[i]),
})) as unknown as typeof MNIST_FILES;
const ARCHIVES: Readonly<Record<string, Buffer>> = Object.fromEntries(
  FILES.map(({ name }, i) => [`${name}.gz`, gzipSync(CONTENT[i])]),
);
const NAMES = Object.keys(ARCHIVES);

/** A mirror on loopback. */
async function mirror(answer: RequestListener): Promise<{ url: string; host: string; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url!);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: `http://${host}/mnist/`, host, requests };
}

const serve: RequestListener = (request, response) => response.end(ARCHIVES[request.url!.replace('/mnist/', '')]);

function options(over: Partial<MnistOptions>): { options: MnistOptions; notes: string[]; received: DataProgress[] } {
  const notes: string[] = [];
  const received: DataProgress[] = [];
  const onProgress = (progress: DataProgress): unknown =>
    progress.kind === 'note' ? notes.push(progress.message) : received.push(progress);
  const limits = { maxBytes: 10_000, idleTimeoutMs: 600_000, totalTimeoutMs: 600_000 };
  return { options: { dataDir: null, files: FILES, limits, onProgress, ...over }, notes, received };
}

test('the four files are downloaded once, and then come from the cache', async () => {
  const { url, requests } = await mirror(serve);
  const cacheDir = join(await temporaryFolder(), 'not', 'there', 'yet');
  const first = options({ mirrors: [url], cacheDir });
  const dataset = plain(await loadMnist(first.options));
  expect(dataset).toMatchObject({ name: 'MNIST', inputShape: [2, 2, 1], labelShape: [], classes: 10, scale: 1 / 255 });
  expect([...dataset.train.x]).toEqual(Array.from({ length: 28 }, (_, i) => i));
  expect([...dataset.train.y]).toEqual([0, 1, 2, 3, 4, 5, 9]);
  expect([dataset.train.count, dataset.validation.count, ...dataset.validation.y]).toEqual([7, 3, 9, 0, 4]);
  expect(requests).toEqual(NAMES.map((name) => `/mnist/${name}`));
  expect((await readdir(cacheDir)).sort()).toEqual([...NAMES].sort());
  const size = ARCHIVES[NAMES[0]].length;
  expect(first.received[0]).toEqual({ kind: 'download', file: NAMES[0], mirror: url, receivedBytes: size, totalBytes: size });

  const again = await loadMnist(options({ mirrors: [url], cacheDir }).options);
  expect(again.sha256).toBe(dataset.sha256);
  expect(requests).toHaveLength(4);
});

test('a mirror that answers wrongly is passed over, with the reason, and nothing of it is kept', async () => {
  const good = await mirror(serve);
  const cases: [string, RequestListener, string][] = [
    ['404', (_, response) => response.writeHead(404).end('<html>'), 'HTTP 404'],
    ['HTML', (_, response) => response.end('<html>Sign in</html>'), 'is an HTML page, not an IDX file of'],
    ['another set', (_, response) => response.end(gzipSync(idxBytes([7, 2, 2], Array(28).fill(1)))), 'sha256 wanted'],
    ['another shape', (_, response) => response.end(idxBytes([8, 2, 2])), 'dimensions are [8, 2, 2], wanted [7, 2, 2]'],
    ['half a file', (_, response) => response.end(CONTENT[0].subarray(0, 16 + 13)), 'header says 7 images, file holds 3'],
    ['too large', (_, response) => response.end(Buffer.alloc(10_001)), 'larger than 10000 bytes'],
    ['reset', (request) => request.socket.destroy(), ''],
    ['short', (_, response) => response.writeHead(200, { 'content-length': 500 }).write('x', () => response.destroy()), ''],
  ];
  for (const [name, answer, reason] of cases) {
    const bad = await mirror(answer);
    const cacheDir = await temporaryFolder();
    const run = options({ mirrors: [bad.url, good.url], cacheDir });
    const dataset = await loadMnist(run.options);
    expect(dataset.train.count, name).toBe(7);
    expect(run.notes, name).toHaveLength(1);
    expect(run.notes[0], name).toContain(`${NAMES[0]} not taken from ${bad.host}: `);
    expect(run.notes[0], name).toContain(reason);
    expect(bad.requests, `${name}: the mirror that served the first file is asked first for the next`).toHaveLength(1);
    expect((await readdir(cacheDir)).sort(), name).toEqual([...NAMES].sort());
  }
});

test('a mirror that says nothing is given up after the idle time, one that trickles after the total time', async () => {
  const silent = await mirror(() => {});
  const stalled = await mirror((_, response) => response.writeHead(200).write('x'));
  const trickling = await mirror((_, response) => {
    const timer = setInterval(() => response.write('x'), 20);
    response.on('close', () => clearInterval(timer));
  });
  const good = await mirror(serve);
  const given = async (
    mirrors: { url: string }[],
    times: { idleTimeoutMs: number; totalTimeoutMs: number },
  ): Promise<string[]> => {
    const cacheDir = await temporaryFolder();
    const urls = mirrors.map(({ url }) => url);
    const run = options({ mirrors: urls, cacheDir, limits: { maxBytes: 10_000, ...times } });
    await loadMnist(run.options);
    return run.notes;
  };
  // The limit that is not meant is far away, whatever else the machine does; the one that is meant leaves the good mirror its time.
  expect(await given([silent, stalled, good], { idleTimeoutMs: 2_000, totalTimeoutMs: 600_000 })).toEqual([
    `${NAMES[0]} not taken from ${silent.host}: nothing received for 2 s`,
    `${NAMES[0]} not taken from ${stalled.host}: nothing received for 2 s`,
  ]);
  expect(await given([trickling, good], { idleTimeoutMs: 600_000, totalTimeoutMs: 2_000 })).toEqual([
    `${NAMES[0]} not taken from ${trickling.host}: not complete after 2 s`,
  ]);
});

test('offline, the error names every mirror and both ways out, and the cache stays empty', async () => {
  const { url, host } = await mirror((_, response) => response.writeHead(503).end());
  const cacheDir = await temporaryFolder();
  // Port 1 refuses.
  const { options: job } = options({ mirrors: ['http://127.0.0.1:1/', url], cacheDir });
  const error: unknown = await loadMnist(job).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'DataError', code: 'DATA_DOWNLOAD', exitCode: 4 });
  const { message, next } = error as Error & { next: string };
  expect(message).toMatch(`MNIST is not in ${cacheDir} and cannot be downloaded: 127.0.0.1:1: `);
  expect(message).toMatch(`${host}: HTTP 503`);
  expect(next).toContain('--data-dir');
  expect(next).toContain('--data synthetic');
  expect(await readdir(cacheDir)).toEqual([]);
});

test('a damaged file in the cache is named and downloaded again', async () => {
  const { url, requests } = await mirror(serve);
  const cacheDir = await temporaryFolder({ ...ARCHIVES, [NAMES[1]]: '<html>' });
  const run = options({ mirrors: [url], cacheDir });
  await loadMnist(run.options);
  expect(requests).toEqual([`/mnist/${NAMES[1]}`]);
  expect(run.notes).toEqual([`${join(cacheDir, NAMES[1])}: is an HTML page, not an IDX file of labels; downloading it again`]);
  expect(await readFile(join(cacheDir, NAMES[1]))).toEqual(ARCHIVES[NAMES[1]]);
});

test('progress is told every 2 MiB and at the end, not for every piece', async () => {
  // 5 MiB in 512 pieces, of a file that is not the one.
  const { url } = await mirror((_, response) => {
    response.writeHead(200, { 'content-length': 512 * 10_240 });
    for (let piece = 0; piece < 512; piece++) response.write(Buffer.alloc(10_240));
    response.end();
  });
  const limits = { maxBytes: 6_000_000, idleTimeoutMs: 600_000, totalTimeoutMs: 600_000 };
  const run = options({ mirrors: [url], cacheDir: await temporaryFolder(), limits });
  await expect(loadMnist(run.options)).rejects.toMatchObject({ code: 'DATA_DOWNLOAD' });
  expect(run.received).toHaveLength(3);
  expect(run.received[2]).toMatchObject({ receivedBytes: 5_242_880, totalBytes: 5_242_880 });
});

test('a mirror that unpacks on the way is as good: the file is kept without .gz', async () => {
  const { url } = await mirror(
    (request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }) && serve(request, response),
  );
  const cacheDir = await temporaryFolder();
  const run = options({ mirrors: [url], cacheDir });
  await loadMnist(run.options);
  expect((await readdir(cacheDir)).sort()).toEqual(FILES.map(({ name }) => name).sort());
  expect(run.received[0]).toMatchObject({ receivedBytes: CONTENT[0].length, totalBytes: null });
});

test('two processes that download at once both end with the data', async () => {
  const { url } = await mirror(serve);
  const cacheDir = await temporaryFolder();
  const both = await Promise.all([1, 2].map(() => loadMnist(options({ mirrors: [url], cacheDir }).options)));
  expect(both[0].sha256).toBe(both[1].sha256);
  expect((await readdir(cacheDir)).sort()).toEqual([...NAMES].sort());
});

test('partial files of a process that was killed an hour ago are removed, fresh ones are another process at work', async () => {
  const { url } = await mirror(serve);
  const cacheDir = await temporaryFolder({ '.a.gz.1.ff.part': 'old', '.b.gz.2.ff.part': 'fresh' });
  const twoHoursAgo = Date.now() / 1000 - 7200;
  await utimes(join(cacheDir, '.a.gz.1.ff.part'), twoHoursAgo, twoHoursAgo);
  await loadMnist(options({ mirrors: [url], cacheDir }).options);
  expect((await readdir(cacheDir)).filter((name) => name.endsWith('.part'))).toEqual(['.b.gz.2.ff.part']);
});

test('a cache that cannot be written is an error of its own, and no mirror is blamed', async () => {
  const { url, requests } = await mirror(serve);
  const folder = await temporaryFolder();
  const cacheDir = join(folder, 'link');
  await symlink(join(folder, 'nowhere', 'at all'), cacheDir);
  await expect(loadMnist(options({ mirrors: [url, url], cacheDir }).options)).rejects.toMatchObject({
    code: 'DATA_CACHE',
    exitCode: 4,
    message: expect.stringContaining(`${cacheDir}: the cache cannot be written: `),
    next: expect.stringContaining('TFJS_PARALLEL_CACHE'),
  });
  expect(requests).toEqual([]);
});

test('a folder may hold the files raw, compressed, or with a dot in their names', async () => {
  const raw = Object.fromEntries(FILES.map(({ name }, i) => [name, CONTENT[i]]));
  const dotted = Object.fromEntries(FILES.map(({ name }, i) => [name.replace('-idx', '.idx'), CONTENT[i]]));
  const hashes = new Set<string>();
  for (const content of [raw, dotted, ARCHIVES]) {
    hashes.add((await loadMnist(options({ dataDir: await temporaryFolder(content) }).options)).sha256);
  }
  expect(hashes.size).toBe(1);
});

test('a folder without the files says which are missing, and nothing is downloaded in their place', async () => {
  const { url, requests } = await mirror(serve);
  const dataDir = await temporaryFolder({ [NAMES[0]]: ARCHIVES[NAMES[0]], [NAMES[3]]: ARCHIVES[NAMES[3]] });
  const error: unknown = await loadMnist(options({ mirrors: [url], dataDir }).options).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'DATA_MISSING',
    message: `${dataDir}: MNIST needs train-labels-idx1-ubyte, t10k-images-idx3-ubyte (as they are, or .gz), not found there`,
  });
  const absent = join(dataDir, 'none');
  await expect(loadMnist(options({ mirrors: [url], dataDir: absent }).options)).rejects.toMatchObject({
    message: `${absent}: no such folder`,
    next: expect.stringContaining('--data synthetic'),
  });
  expect(requests).toEqual([]);
});

test('another set under the names of MNIST is refused, and --data idx named', async () => {
  const dataDir = await temporaryFolder(ARCHIVES);
  await writeFile(join(dataDir, NAMES[3]), idxBytes([3], [9, 0, 5]));
  await expect(loadMnist(options({ dataDir }).options)).rejects.toMatchObject({
    code: 'DATA_CHECKSUM',
    message: `${join(dataDir, NAMES[3])}: sha256 wanted ${FILES[3].sha256}, got ${sha256(idxBytes([3], [9, 0, 5]))}`,
    next: expect.stringContaining('--data idx'),
  });
});

test('the cache lies where the environment says', () => {
  expect(cacheFolder({ TFJS_PARALLEL_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
  expect(cacheFolder({ TFJS_PARALLEL_CACHE: '', XDG_CACHE_HOME: '/b' })).toBe('/b/tfjs-parallel');
  expect(cacheFolder({})).toMatch(/\/\.cache\/tfjs-parallel$/);
});
