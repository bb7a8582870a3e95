/**
 * Owns: where TensorFlow's library is found, in this order: the folder the user names, our cache, the Python of this machine, and a fetch into
 * the cache. Does not: open it (c_api.ts) or fetch it (fetch.ts).
 */
import { existsSync, readdirSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { EnvironmentError } from '../../common/errors.js';
import { TENSORFLOW_LIBRARY_NAME } from '../capi/c_api.js';
import { fetchDistribution, type OnFetchProgress } from './fetch.js';
import { findGpus } from './gpus.js';
import { findPythonTensorFlow } from './python.js';
import { TENSORFLOW_VERSION, distributionFor, isSupportedVersion, thisMachine } from './wheels.js';
import { printable } from '../../common/one_line.js';

const TENSORFLOW_FOLDER_VARIABLE = 'TFJS_PARALLEL_TENSORFLOW';
const CACHE_FOLDER_VARIABLE = 'TFJS_PARALLEL_CACHE';

/** A TensorFlow that is on this machine. */
export interface TensorFlowLocation {
  /** Holds libtensorflow_cc. */
  folder: string;
  /** `2.21.0`; `unknown` for a folder that does not tell without being opened. */
  version: string;
  /** Whether it can use NVIDIA GPUs. */
  kind: 'cpu' | 'cuda';
}

export interface EnsureOptions {
  /** Takes lines for people; default: standard error. */
  onProgress?: OnFetchProgress;
  /** Default: cuda where the driver lists a GPU, else cpu. */
  kind?: 'cpu' | 'cuda';
}

/** Makes sure that the library is on this machine, fetching it if it must, without opening it. */
export async function ensureTensorFlow({ onProgress = toStandardError, kind }: EnsureOptions = {}): Promise<TensorFlowLocation> {
  const wanted = kind ?? wantedKind();
  const present = search(wanted);
  if (present !== undefined) return present;
  const distribution = distributionFor(thisMachine(), wanted);
  const folder = await fetchDistribution({ cacheFolder: cacheFolder(), distribution, onProgress });
  return { folder: join(folder, 'tensorflow'), version: TENSORFLOW_VERSION, kind: distribution.kind };
}

/** The library that is on this machine now; an error that names `ensureTensorFlow` if it must be fetched first. */
export function findTensorFlow({ kind }: Pick<EnsureOptions, 'kind'> = {}): TensorFlowLocation {
  const wanted = kind ?? wantedKind();
  const present = search(wanted);
  if (present !== undefined) return present;
  distributionFor(thisMachine(), wanted);
  throw new EnvironmentError({
    code: 'TENSORFLOW_NOT_FOUND',
    message: `TensorFlow ${TENSORFLOW_VERSION} is not on this machine yet`,
    next: `Call and await ensureTensorFlow() first, which fetches it, or set ${TENSORFLOW_FOLDER_VARIABLE} to a TensorFlow package folder.`,
  });
}

/** `TFJS_PARALLEL_CACHE`, else `XDG_CACHE_HOME/tfjs-parallel`, else `~/.cache/tfjs-parallel`. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment[CACHE_FOLDER_VARIABLE];
  if (named) return resolve(named);
  return join(environment.XDG_CACHE_HOME || join(homedir() || userInfo().homedir, '.cache'), 'tfjs-parallel');
}

function search(wanted: 'cpu' | 'cuda'): TensorFlowLocation | undefined {
  return namedByUser() ?? cached(wanted) ?? fromPython(wanted);
}

function namedByUser(): TensorFlowLocation | undefined {
  const named = process.env[TENSORFLOW_FOLDER_VARIABLE];
  if (!named) return undefined;
  // The package folder, or the site-packages that holds it.
  const folder = [named, join(named, 'tensorflow')].find(holdsLibrary);
  if (folder !== undefined) return { folder, version: versionIn(folder), kind: kindOf(folder) };
  throw new EnvironmentError({
    code: 'TENSORFLOW_NOT_FOUND',
    message: `${TENSORFLOW_FOLDER_VARIABLE} is ${named}, which holds no ${TENSORFLOW_LIBRARY_NAME}`,
    next: `Set it to the tensorflow folder of a TensorFlow ${TENSORFLOW_VERSION} package, or unset it to have TensorFlow fetched.`,
  });
}

/** A CUDA build serves a machine without GPUs too. */
function cached(wanted: 'cpu' | 'cuda'): TensorFlowLocation | undefined {
  const kinds: readonly ('cpu' | 'cuda')[] = wanted === 'cuda' ? ['cuda'] : ['cpu', 'cuda'];
  for (const kind of kinds) {
    const folder = join(
      cacheFolder(),
      `tensorflow-${TENSORFLOW_VERSION}-${kind}-${process.platform}-${process.arch}`,
      'tensorflow',
    );
    if (holdsLibrary(folder)) return { folder, version: TENSORFLOW_VERSION, kind };
  }
  return undefined;
}

function fromPython(wanted: 'cpu' | 'cuda'): TensorFlowLocation | undefined {
  const found = findPythonTensorFlow('python3');
  if (found === undefined || !isSupportedVersion(found.version) || !holdsLibrary(found.folder)) return undefined;
  const kind = kindOf(found.folder);
  return wanted === 'cuda' && kind !== 'cuda' ? undefined : { ...found, kind };
}

function holdsLibrary(folder: string): boolean {
  return existsSync(join(folder, TENSORFLOW_LIBRARY_NAME));
}

/** TensorFlow looks for CUDA's libraries beside itself. */
function kindOf(folder: string): 'cpu' | 'cuda' {
  return existsSync(join(dirname(folder), 'nvidia', 'cudnn')) ? 'cuda' : 'cpu';
}

function versionIn(folder: string): string {
  for (const name of readdirSync(dirname(folder))) {
    const version = /^tensorflow(?:_cpu)?-(.+)\.dist-info$/.exec(name)?.[1];
    if (version !== undefined) return version;
  }
  return 'unknown';
}

function wantedKind(): 'cpu' | 'cuda' {
  return process.platform === 'linux' && process.arch === 'x64' && findGpus().gpus.length > 0 ? 'cuda' : 'cpu';
}

function toStandardError(line: string): void {
  process.stderr.write(printable(`${line}\n`));
}
