import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { ensureTensorFlow } from '../../../src/engine/index.js';
import { folderOfTests } from '../../support/temporary_folder.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));

/** What `npm pack` makes of the built dist/, installed where nothing of this repository is in reach and no install script may run. */
describe('the published package', () => {
  const folder = folderOfTests();
  let project: string;
  let packed: string[];
  beforeAll(async () => {
    const { folder: tensorflow } = await ensureTensorFlow();
    project = join(folder, 'project');
    mkdirSync(project);
    process.env.TFJS_PARALLEL_TENSORFLOW = tensorflow;
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
    packed = (JSON.parse(stdout) as [{ files: { path: string }[] }])[0].files.map((file) => file.path);
    writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }');
    const [tarball] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
    const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
    await run('npm', ['install', ...flags, join(folder, tarball), '@tensorflow/tfjs@4.22.0'], { cwd: project });
  });

  async function runProgram(text: string): Promise<{ stdout: string; stderr: string }> {
    writeFileSync(join(project, 'program.js'), text);
    return run(process.execPath, ['program.js'], { cwd: project });
  }

  it('holds the bundled kernels with their licenses, and no source', () => {
    expect(packed).toEqual(
      expect.arrayContaining([
        'dist/vendor/tfjs_node_kernels.cjs',
        'dist/vendor/NOTICE',
        'dist/vendor/LICENSE.google-protobuf.md',
      ]),
    );
    expect(packed.filter((path) => /^(src|test)\//.test(path))).toEqual([]);
  });

  it("adds two tensors in TensorFlow, without tfjs-node's package", async () => {
    const { stdout, stderr } = await runProgram(`
      import * as tf from '@tensorflow/tfjs';
      import { installEngine } from 'tfjs-parallel/engine';
      const engine = installEngine();
      console.log(tf.getBackend(), engine.tf.Tensor === tf.Tensor, Array.from(tf.add([1, 2], [10, 20]).dataSync()).join());
      engine.dispose();
    `);
    expect(stdout.trim()).toBe('tensorflow true 11,22');
    expect(stderr).not.toMatch(/oneDNN|absl|warn/i);
    expect(readdirSync(join(project, 'node_modules/@tensorflow')).filter((name) => name.startsWith('tfjs-node'))).toEqual([]);
  });
});
