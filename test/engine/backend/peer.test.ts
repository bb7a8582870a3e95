import { afterEach, describe, expect, it, vi } from 'vitest';
import { requireTfjs } from '../../../src/engine/backend/peer.js';

const missing = (): never => {
  throw Object.assign(new Error("Cannot find module '@tensorflow/tfjs/package.json'"), { code: 'MODULE_NOT_FOUND' });
};

describe('the peer @tensorflow/tfjs', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('is found where it is installed', () => expect(requireTfjs()).toBeUndefined());

  it.each([
    ['npm/11.0.0 node/v20.20.2 linux x64', 'npm install @tensorflow/tfjs@^4.22.0'],
    ['yarn/1.22.22 npm/? node/v20.20.2 linux x64', 'yarn add @tensorflow/tfjs@^4.22.0'],
    ['pnpm/10.1.0 npm/? node/v20.20.2 linux x64', 'pnpm add @tensorflow/tfjs@^4.22.0'],
    ['', 'npm install @tensorflow/tfjs@^4.22.0'],
    ['something-else/1.0', 'npm install @tensorflow/tfjs@^4.22.0'],
  ])('missing is told with the command that installs it (started by "%s"), exit 3', (agent, command) => {
    vi.stubEnv('npm_config_user_agent', agent);
    expect(() => requireTfjs(missing)).toThrow(
      expect.objectContaining({
        code: 'TFJS_MISSING',
        exitCode: 3,
        next: expect.stringContaining(`In the project's folder: ${command} (with another package manager `) as string,
      }) as Error,
    );
  });

  it('of another version is told with both', () => {
    for (const version of ['3.21.0', '4.21.0', '5.0.0'])
      expect(() => requireTfjs(() => ({ version }))).toThrow(`the @tensorflow/tfjs found is ${version}, wanted ^4.22.0`);
    for (const version of ['4.22.0', '4.23.1']) expect(requireTfjs(() => ({ version }))).toBeUndefined();
  });
});
