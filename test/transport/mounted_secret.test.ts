import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isMountedSecret, type SecretPlace } from '../../src/transport/mounted_secret.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const ROOT = { uid: 0, mode: 0o100444 };

/** A folder such as kubelet mounts, `token` being a link into a folder that it swaps. */
async function secretFolder(): Promise<string> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, '..data'));
  await writeFile(join(folder, '..data', 'token'), 'x');
  await symlink(join('..data', 'token'), join(folder, 'token'));
  return folder;
}

/** As /proc/self/mountinfo has it. */
const mounts = (folder: string, options: string): string =>
  [
    '500 400 0:70 / / rw,relatime - overlay overlay rw,lowerdir=/a,upperdir=/b',
    `501 500 0:71 / ${folder.replace(/ /g, '\\040')} ${options} - tmpfs tmpfs rw,size=64k`,
  ].join('\n');

const ask = (
  path: string,
  text: string,
  { stat = ROOT, inContainer = true }: { stat?: typeof ROOT; inContainer?: boolean } = {},
) => isMountedSecret(path, stat, () => Promise.resolve({ mounts: text, inContainer } satisfies SecretPlace));

describe("a container's mounted secret", () => {
  it.each([0o440, 0o444, 0o644])('is one of mode %o on a read-only mount of root, through its symlinks', async (mode) => {
    const folder = await secretFolder();
    expect(await ask(join(folder, 'token'), mounts(folder, 'ro,relatime'), { stat: { uid: 0, mode } })).toBe(true);
  });

  it("is none where the mount can be written, the file is not root's, others may write it, or there is no container", async () => {
    const folder = await secretFolder();
    const path = join(folder, 'token');
    const readOnly = mounts(folder, 'ro,relatime');
    expect(await ask(path, mounts(folder, 'rw,relatime'))).toBe(false);
    expect(await ask(path, readOnly, { stat: { uid: 1000, mode: 0o444 } })).toBe(false);
    expect(await ask(path, readOnly, { stat: { uid: 0, mode: 0o666 } })).toBe(false);
    expect(await ask(path, readOnly, { inContainer: false })).toBe(false);
    expect(await ask(path, '')).toBe(false);
  });

  it('is told by the innermost mount, the last one where two are on one folder', async () => {
    const folder = await secretFolder();
    const path = join(folder, 'token');
    expect(await ask(path, `${mounts(folder, 'ro')}\n502 501 0:72 / ${folder}/..data rw - tmpfs tmpfs rw`)).toBe(false);
    expect(await ask(path, `${mounts(folder, 'rw')}\n502 501 0:72 / ${folder} ro - tmpfs tmpfs rw`)).toBe(true);
    // A neighbor whose name only begins alike.
    expect(await ask(path, mounts(folder.slice(0, -1), 'ro'))).toBe(false);
  });
});
