/** Owns: whether this Node, and the tfjs beside us, are such as we are made for. */
import { ExpectedError } from '../../common/errors.js';
import type { Check, Finding } from '../check.js';

/** `engines` of package.json. */
const LEAST = [20, 19] as const;
/** Majors that the tests run on. */
const TESTED = [20, 22, 24, 26];

export const node: Check = {
  name: 'node',
  async find({ machine }): Promise<Finding[]> {
    const { nodeVersion, environment } = machine;
    const [major, minor] = nodeVersion.split('.').map(Number);
    const figures = { version: nodeVersion };
    const found = [version()];
    try {
      await machine.requireTfjs();
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      found.push({ name: 'tfjs', status: 'problem', found: error.message, next: error.next });
    }
    const options = environment.NODE_OPTIONS ?? '';
    if (options !== '')
      found.push({
        name: 'node',
        status: 'note',
        found: `NODE_OPTIONS is ${options}`,
        means: 'It holds for every process and thread of a run.',
      });
    return found;

    function version(): Finding {
      if (major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1]))
        return {
          status: 'problem',
          found: `Node ${nodeVersion}, and ${LEAST.join('.')} or newer is needed`,
          next: 'Install a current version of Node: https://nodejs.org, or with a version manager.',
          figures,
        };
      if (TESTED.includes(major)) return { status: 'ok', found: `Node ${nodeVersion}`, figures };
      return {
        status: 'note',
        found: `Node ${nodeVersion}`,
        means: `The tests run on Node ${TESTED.join(', ')}; others may work.`,
        figures,
      };
    }
  },
};
