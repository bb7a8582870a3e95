/**
 * Owns: finding the tfjs that the user installed beside this package, before anything that needs it is begun.
 * Does not: load it.
 */
import { createRequire } from 'node:module';
import { EnvironmentError } from '../../common/errors.js';

const NAME = '@tensorflow/tfjs';
/** The last of the 4.x series; peerDependencies say the same. */
const RANGE = '^4.22.0';

/** @throws EnvironmentError TFJS_MISSING, TFJS_VERSION */
export function requireTfjs(load: (id: string) => unknown = createRequire(import.meta.url)): void {
  let version: string;
  try {
    ({ version } = load(`${NAME}/package.json`) as { version: string });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw cause;
    throw new EnvironmentError({
      code: 'TFJS_MISSING',
      message: `${NAME} is not installed, and tfjs-parallel needs it beside itself (a peer dependency, ${RANGE})`,
      next: installCommand(),
      cause,
    });
  }
  const [major, minor] = version.split('.').map(Number);
  if (major === 4 && minor >= 22) return;
  throw new EnvironmentError({
    code: 'TFJS_VERSION',
    message: `the ${NAME} found is ${version}, wanted ${RANGE}`,
    next: installCommand(),
  });
}

/** The one that started us is named first, as far as it says so. */
function installCommand(): string {
  const commands = { npm: 'npm install', yarn: 'yarn add', pnpm: 'pnpm add', bun: 'bun add' };
  const [agent] = (process.env.npm_config_user_agent ?? '').split('/');
  const first = agent in commands ? (agent as keyof typeof commands) : 'npm';
  const others = Object.values(commands).filter((command) => command !== commands[first]);
  return `In the project's folder: ${commands[first]} ${NAME}@${RANGE} (with another package manager ${others.join(', ')}).`;
}
