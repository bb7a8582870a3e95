/**
 * Runs all tests: lint, build, vitest, the engine's and the golden tests once more with oneDNN switched over, and tfjs-core's own specs on our
 * engine. The last line holds the true totals of all of them: `N passed, N failed, N skipped`. Fails when anything fails; every skip is printed
 * with its reason by the test that skips.
 *
 * Usage: npm test [-- --no-specs] [vitest arguments]     (with vitest arguments nothing is run twice)
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { TestTotals } from './test_totals.mjs';

const given = process.argv.slice(2);
const withSpecs = !given.includes('--no-specs');
const vitestArguments = given.filter((argument) => argument !== '--no-specs');

const totals = new TestTotals();
await totals.step('build', process.execPath, ['scripts/build.mjs']);
if (totals.failed === 0) {
  // On one core, while test files wait for processes and sockets on the other.
  const linted = totals.stepBeside('lint', 'npm', ['run', '--silent', 'lint']);
  await totals.vitest('vitest', vitestArguments);
  await linted;
  if (vitestArguments.length === 0) await runOtherArithmetic();
  if (withSpecs) await totals.program('tfjs-core specs', process.execPath, ['scripts/test_tfjs_core.mjs']);
}
totals.end();

/**
 * TensorFlow turns oneDNN on where the processor has AVX-512 and leaves it off elsewhere. What it does not do here is done now, oneDNN held to
 * the instructions that every processor has: so tests that hold on one kind of processor only are found on any.
 */
async function runOtherArithmetic() {
  const program = "process.stdout.write((await import('./dist/engine/index.js')).installEngine({ device: 'CPU:0' }).info.oneDnn)";
  let here;
  try {
    here = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  } catch {
    return totals.count('asking TensorFlow for oneDNN', false);
  }
  const environment = { TF_ENABLE_ONEDNN_OPTS: here === 'on' ? '0' : '1', ONEDNN_MAX_CPU_ISA: 'AVX2' };
  console.log(`\noneDNN is ${here} here; the engine's and the golden tests again with`, environment);
  // What brings TensorFlow here computes nothing.
  const isComputing = (file) => file.endsWith('.test.ts') && file !== 'tensorflow/fetch.test.ts';
  const computing = readdirSync('test/engine', { recursive: true, encoding: 'utf8' }).filter(isComputing);
  const tests = [...computing.map((file) => `test/engine/${file}`), 'test/golden'];
  await totals.vitest(`vitest, TF_ENABLE_ONEDNN_OPTS=${environment.TF_ENABLE_ONEDNN_OPTS}`, tests, environment);
}
