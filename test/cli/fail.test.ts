import { CommanderError } from 'commander';
import { expect, test } from 'vitest';
import { describeFailure } from '../../src/cli/fail.js';
import {
  StorageError,
  ClusterError,
  DataError,
  DivergedError,
  EnvironmentError,
  TargetNotMetError,
  UsageError,
} from '../../src/common/errors.js';

const DETAILS = { code: 'SOME_CODE', message: 'wanted 1, found 2', next: 'give 1' };

test('an expected error is its code, what happened and what to do, with its own exit code', () => {
  const exits = [UsageError, EnvironmentError, DataError, ClusterError, DivergedError, StorageError, TargetNotMetError].map(
    (Kind) => describeFailure(new Kind(DETAILS), { verbose: false }),
  );
  expect(exits.map(({ exitCode }) => exitCode)).toEqual([2, 3, 4, 5, 6, 7, 8]);
  expect(new Set(exits.map(({ text }) => text))).toEqual(new Set(['error SOME_CODE: wanted 1, found 2\nnext: give 1\n']));
});

test('anything else is a bug of ours, says how to report it, and shows no stack', () => {
  const failure = (error: unknown) => describeFailure(error, { verbose: false });
  expect(failure(new TypeError('x is not a function'))).toEqual({
    exitCode: 70,
    text:
      'error INTERNAL: x is not a function\n' +
      'next: this is a bug in tfjs-parallel; please report it with the output of the same command and -v\n',
  });
  expect(failure('a string').text).toContain('error INTERNAL: a string\n');
  expect(failure(undefined).text).toContain('error INTERNAL: undefined\n');
  expect(failure(new Error('')).text).toContain('error INTERNAL: an error without a message\n');
});

test('with -v the stack follows, and the causes behind it', () => {
  const cause = new Error('ENOSPC: no space left');
  const { text } = describeFailure(new StorageError({ ...DETAILS, cause }), { verbose: true });
  expect(text).toMatch(/^error SOME_CODE: wanted 1, found 2\nnext: give 1\nStorageError: wanted 1, found 2\n {4}at /);
  expect(text).toMatch(/\ncaused by Error: ENOSPC: no space left\n {4}at /);
  const loop = new Error('loop');
  loop.cause = loop;
  expect(describeFailure(loop, { verbose: true }).text.match(/loop\n/g)).not.toBeNull();
});

test('a mistake on the command line reads like any other', () => {
  const typo = new CommanderError(1, 'commander.unknownOption', "error: unknown option '--epoch'\n(Did you mean --epochs?)");
  expect(describeFailure(typo, { verbose: true, command: 'train' })).toEqual({
    exitCode: 2,
    text: "error UNKNOWN_FLAG: unknown option '--epoch', did you mean --epochs?\nnext: tfjs-parallel train --help\n",
  });
});

test("a flag by another tool's name is told by the flag or the setting that it is here", () => {
  const said = (flag: string, command = 'train', similar = '') =>
    describeFailure(new CommanderError(1, 'commander.unknownOption', `error: unknown option '${flag}'${similar}`), {
      verbose: false,
      command,
    }).text;
  expect(said('--batch-size')).toContain("unknown option '--batch-size', did you mean --batch?");
  expect(said('--batch_size=32')).toContain('did you mean --batch?');
  expect(said('--optimizer')).toContain('did you mean --set optimizer.name=…?');
  expect(said('--momentum')).toContain('did you mean --set optimizer.momentum=…?');
  expect(said('--learning-rate', 'coordinator')).toContain('did you mean --lr?');
  expect(said('--workers', 'coordinator')).toContain('did you mean --set workers=…?');
  expect(said('--epoch', 'train', '\n(Did you mean --epochs?)')).toContain('did you mean --epochs?');
  // Not with the flag that is nearest by its letters beside it.
  expect(said('--validation-split', 'train', '\n(Did you mean --validation-limit?)')).toBe(
    "error UNKNOWN_FLAG: unknown option '--validation-split'\n" +
      'next: leave it out: the data says what is validated: a module or arrays with train and validation sets\n',
  );
  for (const flag of ['--precision', '--batch-size', '--momentum'])
    expect(said(flag, 'worker')).toMatch(
      /unknown option '--[a-z-]+'\nnext: Leave it out: the coordinator decides it for all workers.\n$/,
    );
  expect(said('--xyzzy')).toBe("error UNKNOWN_FLAG: unknown option '--xyzzy'\nnext: tfjs-parallel train --help\n");
});
