/**
 * Bundles the JavaScript of packages whose own installation would run a script (koffi compiles where it finds no binary, msgpackr's companion as
 * well), so that nothing runs on the machines of those who install us. Used by build.mjs.
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
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
  await bundleDrawing(root, vendor, options);
  await bundleDashboard(root, vendor);
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

/** linkedom reads style sheets and draws canvases with packages of their own, which no chart needs. */
const leftOut = {
  name: 'left-out',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^(cssom|canvas)/ }, ({ path }) => ({ path, namespace: 'left-out' }));
    esbuild.onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({
      contents: 'export const parse = () => ({ cssRules: [] }); export default { parse };',
    }));
  },
};

/** Observable Plot on linkedom: what src/report/files/drawing.ts names, in one file. */
async function bundleDrawing(root, vendor, options) {
  const { metafile } = await build({
    ...options,
    metafile: true,
    minify: true,
    legalComments: 'none',
    stdin: {
      resolveDir: root,
      contents: `
        export { plot, lineY, rectY, cell, dot, text, ruleX, ruleY } from '@observablehq/plot';
        export { parseHTML } from 'linkedom';`,
    },
    plugins: [leftOut],
    outfile: join(vendor, 'plot.js'),
  });
  writeFileSync(join(vendor, 'LICENSE.plot.txt'), licensesOf(Object.keys(metafile.inputs).map((path) => resolve(path))));
}

/** The dashboard's page with uPlot, its script and style inside: one file. */
async function bundleDashboard(root, vendor) {
  const folder = join(root, 'src/report/dashboard/page');
  const options = { bundle: true, minify: true, legalComments: 'none', logLevel: 'warning', write: false, metafile: true };
  const made = async (contents, loader) => {
    const stdin = { contents, loader, resolveDir: folder };
    return build({ ...options, stdin, format: 'iife', target: 'es2022', charset: 'utf8' });
  };
  const script = await made(`import './main.js';`, 'ts');
  const style = await made(`@import './style.css'; @import 'uplot/dist/uPlot.min.css';`, 'css');
  const text = ({ outputFiles: [file] }) => file.text.trim();
  if (/<\/(script|style)/i.test(text(script) + text(style))) throw new Error('build: the page would end inside its own script');
  const page = readFileSync(join(folder, 'index.html'), 'utf8')
    .replace('/*STYLE*/', () => text(style))
    .replace('/*SCRIPT*/', () => text(script));
  writeFileSync(join(vendor, 'dashboard.html'), page);
  const packages = Object.keys(script.metafile.inputs).filter((path) => path.includes('node_modules'));
  writeFileSync(join(vendor, 'LICENSE.uplot.txt'), licensesOf(packages.map((path) => resolve(path))));
}

/** Of every package that a file is from, each once, under its name and version. */
function licensesOf(files) {
  const folders = new Set(files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file) ?? []));
  return [...folders]
    .sort()
    .map((folder) => {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const license = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
      if (license === undefined) throw new Error(`build: ${name} ${version} has no license file`);
      return `${name} ${version}\n\n${readFileSync(join(folder, license), 'utf8').trim()}\n`;
    })
    .join('\n');
}
