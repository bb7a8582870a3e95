/** Owns: tfjs-node's `file://` handlers in a tfjs that has none: `model.save('file://…')` and `tf.loadLayersModel('file://…')`. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type * as tfjs from '@tensorflow/tfjs';
import { builtFile, requirePackageFile } from '../../system/package_file.js';

interface VendorFiles {
  nodeFileSystemRouter: (url: string | string[]) => tfjs.io.IOHandler;
}

/** They stay registered: tfjs, which would find two handlers for one URL, is asked first. */
export function registerFileHandlers({ io }: typeof tfjs): void {
  const isThere = io.getSaveHandlers('file:///model').length > 0;
  if (isThere) return;
  const file = builtFile('vendor/tfjs_node_files.cjs');
  requirePackageFile(file);
  const { nodeFileSystemRouter } = createRequire(import.meta.url)(fileURLToPath(file)) as VendorFiles;
  io.registerLoadRouter(nodeFileSystemRouter);
  io.registerSaveRouter(nodeFileSystemRouter);
}
