/**
 * Runs tfjs-core's own specs (they are inside its npm package) on this engine, without those that tfjs-node itself leaves out. Prints
 * `N passed, N failed`; exits 1 if any failed.
 *
 * Usage: npm run test:tfjs-core [-- --grep TEXT]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import Jasmine from 'jasmine';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const { values: options } = parseArgs({ options: { grep: { type: 'string', default: '' } } });

const { ensureTensorFlow, installEngine } = await import(pathToFileURL(join(root, 'dist/engine/index.js')).href);
await ensureTensorFlow();
const engine = installEngine();
console.error(
  `tfjs ${engine.tf.version.tfjs} on TensorFlow ${engine.info.tensorflowVersion}, ${engine.info.device}, Node ${process.version}`,
);

const bundle = join(mkdtempSync(join(root, 'node_modules/.tfjs-core-specs-')), 'specs.cjs');
try {
  await bundleSpecs(bundle);
  const passed = await runSpecs(bundle);
  process.exitCode = passed ? 0 : 1;
} finally {
  rmSync(dirname(bundle), { recursive: true, force: true });
  engine.dispose();
}

/** The specs import tfjs-core's modules one by one; its package.json marks most as free of side effects, which specs are not. */
async function bundleSpecs(outfile) {
  await build({
    stdin: {
      resolveDir: root,
      contents: `
        import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
        import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
        import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util.js';
        setTestEnvs([{ name: 'test-tensorflow', backendName: 'tensorflow', flags: {}, isDataSync: true }]);
        // Not an import: specs are described while they are loaded, after the environments are set.
        require('@tensorflow/tfjs-core/dist/tests.js');
      `,
    },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    ignoreAnnotations: true,
    mainFields: ['module', 'main'],
    external: ['worker_threads'],
    logLevel: 'error',
    outfile,
  });
}

async function runSpecs(file) {
  const ignored = tfjsNodeIgnoreList();
  const runner = new Jasmine({ globals: true });
  runner.exitOnCompletion = false;
  runner.randomizeTests(false);
  runner.clearReporters();
  const counts = { passed: 0, failed: 0 };
  runner.addReporter({
    specDone(result) {
      if (result.status === 'passed') counts.passed++;
      if (result.status !== 'failed') return;
      counts.failed++;
      console.log(`FAILED ${result.fullName}`);
      for (const { message } of result.failedExpectations) console.log(`  ${message.split('\n').slice(0, 3).join('\n  ')}`);
    },
    suiteDone(result) {
      for (const { message } of result.failedExpectations ?? []) {
        counts.failed++;
        console.log(`FAILED ${result.fullName} (around its specs)\n  ${message}`);
      }
    },
  });
  require(file);
  runner.env.configure({
    specFilter: (spec) => {
      const name = spec.getFullName();
      return name.includes(options.grep) && !ignored.some((text) => name.includes(text));
    },
  });
  const result = await runner.execute();
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  return result.overallStatus !== 'failed' && counts.failed === 0 && counts.passed > 0;
}

/** The strings of IGNORE_LIST in tfjs-node's own run_tests.js, read from where it states them. */
function tfjsNodeIgnoreList() {
  const source = readFileSync(join(root, 'node_modules/@tensorflow/tfjs-node-gpu/dist/run_tests.js'), 'utf8');
  const literal = /var IGNORE_LIST = (\[[\s\S]*?\n\]);/.exec(source)?.[1];
  if (literal === undefined) throw new Error("tfjs-node's IGNORE_LIST is not where it was");
  const strings = literal
    .split('\n')
    .filter((line) => !line.trim().startsWith('//'))
    .flatMap((line) => [...line.matchAll(/'((?:[^'\\]|\\.)*)'/g)].map((match) => match[1]));
  if (strings.length < 50) throw new Error(`Only ${strings.length} strings read from tfjs-node's IGNORE_LIST`);
  return strings;
}
