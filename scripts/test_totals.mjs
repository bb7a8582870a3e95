/**
 * Owns: running test programs and adding up what they count, for the last line `N passed, N failed, N skipped`.
 * Does not: know which tests there are (test.mjs, test_system.mjs).
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** A failure as `end` prints it: its name, and indented what it said. */
const FAILURE = /^FAILED .*(?:\n {4}.*)*/gm;
const WORDS_OF_A_FAILURE = 2000;

export class TestTotals {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** What failed, for the end of the output: where only its tail is kept, a failure of the first minutes would be lost otherwise. */
  #failures = [];

  /** A step without tests of its own counts as one. */
  count(name, passed) {
    this[passed ? 'passed' : 'failed']++;
    if (!passed) this.#failures.push(`FAILED ${name}`);
  }

  /** A program without tests of its own: passes when it ends with 0. */
  async step(name, program, programArguments) {
    this.count(name, (await run(program, programArguments)).code === 0);
  }

  /** The same beside other programs, which run meanwhile: what it says comes in one piece, when it has ended. */
  async stepBeside(name, program, programArguments) {
    const { code, output } = await run(program, programArguments, { shown: false });
    process.stdout.write(output);
    this.count(name, code === 0);
  }

  /** Counts the tests of a vitest run. `environment` is added to ours; a value of null takes a variable away. */
  async vitest(name, vitestArguments, environment = {}) {
    const scratch = mkdtempSync(join(tmpdir(), 'tfjs-parallel-test-'));
    try {
      const report = join(scratch, 'vitest.json');
      const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
      const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
      const { code } = await run(process.execPath, [vitest, 'run', ...reporters, ...vitestArguments], { environment });
      const counted = JSON.parse(readFileSync(report, 'utf8'));
      const failures = failuresOf(name, counted);
      this.passed += counted.numPassedTests;
      this.failed += failures.length;
      this.skipped += counted.numPendingTests + counted.numTodoTests;
      this.#failures.push(...failures);
      // An error outside of any test and file.
      if (code !== 0 && failures.length === 0) this.count(name, false);
    } catch (error) {
      // No report, or none that can be read.
      console.log(`${name}: ${error.message}`);
      this.count(name, false);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }

  /** Counts what a program says in its last line of the form `N passed, N failed[, N skipped]`. */
  async program(name, program, programArguments) {
    const { code, output } = await run(program, programArguments);
    const line = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1);
    if (line === undefined) return this.count(name, false);
    const [passed, failed, skipped = 0] = line.slice(1).map((digits) => Number(digits ?? 0));
    this.passed += passed;
    this.failed += failed;
    this.skipped += skipped;
    this.#failures.push(...(output.match(FAILURE) ?? []));
    if (code !== 0 && failed === 0) this.count(name, false);
  }

  /** What failed, the last line, and the exit code that goes with it. */
  end() {
    for (const failure of this.#failures) console.log(failure);
    console.log(`${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`);
    process.exitCode = this.failed === 0 ? 0 : 1;
  }
}

/** The tests that failed, and the files that could not be run, in vitest's JSON report. */
function failuresOf(name, report) {
  return report.testResults.flatMap((file) => {
    const failed = file.assertionResults.filter(({ status }) => status === 'failed');
    const place = `${name}: ${relative(root, file.name)}`;
    if (failed.length === 0 && file.status === 'failed') return [failure(place, file.message)];
    return failed.map(({ fullName, failureMessages }) => failure(`${place} ${fullName}`, failureMessages.join('\n')));
  });
}

function failure(place, words) {
  const said = stripVTControlCharacters(words).slice(0, WORDS_OF_A_FAILURE).trim().split('\n');
  return [`FAILED ${place.replaceAll('\n', ' ')}`, ...said.filter((line) => !line.includes('node_modules'))].join('\n    ');
}

/** Runs a program in the project's folder: its output shown as it comes, or only returned, with what it says of errors. */
function run(program, programArguments, { environment = {}, shown = true } = {}) {
  const env = Object.fromEntries(Object.entries({ ...process.env, ...environment }).filter(([, value]) => value !== null));
  return new Promise((resolve, reject) => {
    const child = spawn(program, programArguments, { cwd: root, env, stdio: ['ignore', 'pipe', shown ? 'inherit' : 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => {
      if (shown) process.stdout.write(data);
      output += data;
    });
    child.stderr?.on('data', (data) => (output += data));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}
