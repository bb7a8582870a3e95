/**
 * Bundles the JavaScript of packages whose own installation would run a script (koffi compiles where it finds no binary, msgpackr's companion as
 * well), so that nothing runs on the machines of those who install us. Used by build.mjs.
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';

/** Where the prebuilt binaries are: packages without scripts, which package.json has as optional dependencies. */
const koffiBinaries = {
  name: 'koffi-binaries',
  setup(esbuild) {
    esbuild.onResolve({ filter: /\/static\.js$/ }, () => ({ path: 'koffi-binaries', namespace: 'koffi-binaries' }));
    esbuild.onLoad({ filter: /.*/, namespace: 'koffi-binaries' }, () => ({
      contents: `
        import { createRequire } from 'node:module';
        import { EnvironmentError } from '../common/errors.js';
        export function loadStatic(machine) {
          const name = '@koromix/koffi-' + machine;
          try {
            return createRequire(import.meta.url)(name);
          } catch (cause) {
            throw new EnvironmentError({
              code: 'NATIVE_PART_MISSING',
              message: 'the native part of this installation is not there or not usable: ' + name + ': ' + cause.message.split('\\n')[0],
              next: 'Install again with optional dependencies on this machine (not --omit=optional, and not node_modules or a lockfile from another system).',
              cause,
            });
          }
        }`,
    }));
  },
};

/** Packages whose own installation would run a script: each file that imports one takes the bundled one. */
const BUNDLED = { koffi: 'koffi.js', 'msgpackr/index-no-eval': 'msgpackr.js' };

/** Into `folder`, a built dist/ of the project at `root`; its files take the bundled ones from then on. */
export async function bundleDependencies(root, folder) {
  const vendor = join(folder, 'vendor');
  const options = {
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    legalComments: 'inline',
    logLevel: 'warning',
  };
  await build({
    ...options,
    entryPoints: [join(root, 'node_modules/koffi/index.js')],
    external: ['../common/errors.js'],
    plugins: [koffiBinaries],
    outfile: join(vendor, 'koffi.js'),
  });
  await build({
    ...options,
    stdin: { resolveDir: root, contents: `export { Packr } from 'msgpackr/index-no-eval';` },
    outfile: join(vendor, 'msgpackr.js'),
  });
  copyFileSync(join(root, 'node_modules/koffi/index.d.ts'), join(vendor, 'koffi.d.ts'));
  copyFileSync(join(root, 'node_modules/koffi/LICENSE.txt'), join(vendor, 'LICENSE.koffi.txt'));
  copyFileSync(join(root, 'node_modules/msgpackr/LICENSE'), join(vendor, 'LICENSE.msgpackr'));
  for (const name of readdirSync(folder, { recursive: true })) {
    if (!/\.(js|d\.ts)$/.test(name) || name.startsWith('vendor')) continue;
    const file = join(folder, name);
    const text = readFileSync(file, 'utf8');
    const own = text.replace(/(from |import\()(['"])([^'"]+)\2/g, (whole, before, quote, id) =>
      Object.hasOwn(BUNDLED, id)
        ? `${before}${quote}${relative(dirname(file), join(vendor, BUNDLED[id])).replace(/^(?!\.)/, './')}${quote}`
        : whole,
    );
    if (own !== text) writeFileSync(file, own);
  }
}
