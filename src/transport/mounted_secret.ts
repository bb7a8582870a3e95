/**
 * Owns: telling a secret that a container's runtime mounted (Kubernetes, Docker) from a file that somebody left readable.
 * Does not: read it.
 *
 * Such a file is 0440 or 0444, belongs to root and cannot be changed from inside: kubelet and dockerd make it so for users other than root. Its
 * mount is the container's own, so nobody else on the machine sees it, and whoever is inside the container can read the token anyway.
 */
import { existsSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';

/** What is known of the place, read from the system unless given. */
export interface SecretPlace {
  /** Text of /proc/self/mountinfo. */
  readonly mounts: string;
  readonly inContainer: boolean;
}

/** Only where all of it holds: inside a container, on a mount that is read-only, root's, and not writable by others. */
export async function isMountedSecret(
  path: string,
  { uid, mode }: { uid: number; mode: number },
  place: () => Promise<SecretPlace> = systemPlace,
): Promise<boolean> {
  if (uid !== 0 || (mode & 0o022) !== 0) return false;
  const { mounts, inContainer } = await place();
  return inContainer && isReadOnly(await realpath(path), mounts);
}

async function systemPlace(): Promise<SecretPlace> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return { mounts, inContainer: isContainer(process.env, mounts) };
}

/** Docker and Podman leave a file; Kubernetes sets a variable in each container; elsewhere the root is an overlay. */
function isContainer(environment: NodeJS.ProcessEnv, mounts: string): boolean {
  if (existsSync('/.dockerenv') || existsSync('/run/.containerenv') || environment.KUBERNETES_SERVICE_HOST) return true;
  return mountOf('/', mounts)?.type === 'overlay';
}

function isReadOnly(path: string, mounts: string): boolean {
  return mountOf(path, mounts)?.options.includes('ro') === true;
}

interface Mount {
  point: string;
  options: string[];
  type: string;
}

/** The mount that a path is on: the last of the longest. Lines: `36 35 98:0 /root /mount/point ro,noatime shared:1 - tmpfs tmpfs rw`. */
function mountOf(path: string, mounts: string): Mount | undefined {
  let found: Mount | undefined;
  for (const line of mounts.split('\n')) {
    const fields = line.split(' ');
    if (fields.length < 7) continue;
    const point = fields[4].replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    const holds = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`);
    if (!holds || (found !== undefined && point.length < found.point.length)) continue;
    found = { point, options: fields[5].split(','), type: fields[fields.indexOf('-') + 1] };
  }
  return found;
}
