/**
 * Owns: a project of somebody else that installs this package's tarball with a package manager of its own choice.
 * Does not: judge what comes of it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** `npm pack` of the built project; resolves to the tarball. */
export function packTarball(project: string, folder: string): string {
  const name = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: project, encoding: 'utf8' }).trim();
  return join(folder, name);
}

/** Writes files by their path below `folder`. */
export function writeFiles(folder: string, files: Readonly<Record<string, string | object>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  }
}

/** A command line of that project, without what the tests' own npm passes on; settings of ours are not passed on either. */
export function runIn(folder: string, command: string, environment: Readonly<Record<string, string>> = {}): Ran {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_registry)|TFJS_PARALLEL_(?!CACHE|TENSORFLOW)|NODE_OPTIONS|VITEST|INIT_CWD)/i.test(name),
  );
  const { status, stdout, stderr } = spawnSync('bash', ['-c', command], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...Object.fromEntries(kept), CI: '1', COREPACK_ENABLE_STRICT: '0', ...environment },
  });
  return { code: status, out: stdout, err: stderr };
}

/** `name: script` of every installed package that would run something when it is installed. */
export function installScripts(nodeModules: string): string[] {
  const found = new Set<string>();
  for (const path of readdirSync(nodeModules, { recursive: true, encoding: 'utf8' })) {
    // Packages, not the packages' own fixtures.
    if (!/(^|node_modules\/)(@[^/]+\/)?[^/@.][^/]*\/package\.json$/.test(path)) continue;
    const { name, scripts = {} } = JSON.parse(readFileSync(join(nodeModules, path), 'utf8')) as {
      name?: string;
      scripts?: Record<string, string>;
    };
    for (const script of ['preinstall', 'install', 'postinstall'])
      if (scripts[script] !== undefined) found.add(`${name}: ${script}`);
  }
  return [...found].sort();
}
