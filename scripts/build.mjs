/**
 * Builds dist/: TypeScript to JavaScript, and the JavaScript of tfjs-node-gpu bundled, so that
 * neither we nor those who install us need its install script. Usage: node scripts/build.mjs [--vendor-only | --for-tests]
 * --for-tests makes build/ instead, without checking types.
 *
 * Everything is built in a folder beside dist/ and swapped in at the end: nothing stale stays, and a failed build leaves the old one.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleDependencies } from './bundle_dependencies.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** Node 23 removed functions of `util` that tfjs-node 4.22 calls. */
const removedUtilFunctions = {
  name: 'removed-util-functions',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^util$/ }, () => ({ path: 'util', namespace: 'util-shim' }));
    esbuild.onLoad({ filter: /.*/, namespace: 'util-shim' }, () => ({
      contents: `module.exports = { ...require('node:util'), isArray: Array.isArray, isNullOrUndefined: (value) => value == null };`,
    }));
  },
};

if (process.argv.includes('--vendor-only')) await bundleKernels(join(root, 'dist'));
else if (process.argv.includes('--for-tests')) await buildForTests(join(root, 'build'));
else await swapIn(join(root, 'dist'), compile);

/** Makes the folder anew beside the old one. */
async function swapIn(folder, fill) {
  const fresh = `${folder}.${process.pid}`;
  const old = `${folder}.old.${process.pid}`;
  try {
    await bundleKernels(fresh);
    await fill(fresh);
    await bundleDependencies(root, fresh);
    const main = join(fresh, 'cli', 'main.js');
    if (existsSync(main)) chmodSync(main, 0o755);
    if (existsSync(folder)) renameSync(folder, old);
    renameSync(fresh, folder);
  } catch (error) {
    // The compiler has printed its errors.
    if (error.status === undefined) throw error;
    process.exitCode = 1;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}

function compile(folder) {
  execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.json', '--outDir', folder], {
    cwd: root,
    stdio: 'inherit',
  });
}

/** Only where a source has changed since: another test run may be using what is there. */
async function buildForTests(folder) {
  const sources = [...filesIn('src'), ...filesIn('scripts').filter((file) => /build|bundle/.test(file)), 'package-lock.json'];
  const hash = createHash('sha256');
  for (const file of sources)
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)));
  const wanted = hash.digest('hex');
  const stamp = join(folder, 'sources.sha256');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  await swapIn(folder, async (fresh) => {
    const entryPoints = sources
      .filter((file) => file.startsWith('src') && /(?<!\.d)\.ts$/.test(file) && !file.includes('dashboard/page/'))
      .map((file) => join(root, file));
    const options = { format: 'esm', target: 'node20', sourcemap: 'inline', logLevel: 'warning' };
    await build({ ...options, entryPoints, outbase: join(root, 'src'), outdir: fresh });
    writeFileSync(join(fresh, 'sources.sha256'), wanted);
  });
}

function filesIn(folder) {
  const names = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return names.flatMap((entry) => (entry.isFile() ? [relative(root, join(entry.parentPath, entry.name))] : [])).sort();
}

/** tfjs-node's kernels and backend in one CommonJS file, its file:// handlers in another; tfjs itself stays the user's own. */
async function bundleKernels(folder) {
  const vendor = join(folder, 'vendor');
  mkdirSync(vendor, { recursive: true });
  await bundleOfTfjsNode(
    join(vendor, 'tfjs_node_kernels.cjs'),
    `require('./register_all_kernels');
     exports.NodeJSKernelBackend = require('./nodejs_kernel_backend').NodeJSKernelBackend;`,
  );
  await bundleOfTfjsNode(
    join(vendor, 'tfjs_node_files.cjs'),
    `exports.nodeFileSystemRouter = require('./io/file_system').nodeFileSystemRouter;`,
  );
  copyFileSync(join(root, 'NOTICE'), join(vendor, 'NOTICE'));
  copyFileSync(join(root, 'node_modules/google-protobuf/LICENSE.md'), join(vendor, 'LICENSE.google-protobuf.md'));
}

async function bundleOfTfjsNode(outfile, contents) {
  await build({
    stdin: { resolveDir: join(root, 'node_modules/@tensorflow/tfjs-node-gpu/dist'), contents },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    // One file asks for tfjs-core by name; everything in it is in tfjs too, and only that one is sure to be found from an installed package.
    alias: { '@tensorflow/tfjs-core': '@tensorflow/tfjs' },
    external: ['@tensorflow/tfjs'],
    plugins: [removedUtilFunctions],
    legalComments: 'inline',
    logLevel: 'warning',
    outfile,
  });
}
