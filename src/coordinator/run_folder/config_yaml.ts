/**
 * Owns: `config.yaml` of a run folder: the resolved configuration, each value with where it came from as a comment.
 * Does not: read it back (src/cli/config_file.ts reads every configuration).
 */
import { Document, isMap, isPair, isScalar, isSeq } from 'yaml';
import type { YAMLMap } from 'yaml';
import { renameKeys, toSnakeCase } from '../../common/snake_case.js';
import type { TrainConfig } from '../../common/train_config.js';

/** `provenance`: dotted snake_case path → `flag --batch`, `config/mnist.yaml:12`; what is not in it counts as `default`. */
export function renderConfig(config: TrainConfig, provenance: Readonly<Record<string, string>>): string {
  const document = new Document(renameKeys(config, toSnakeCase));
  document.commentBefore = ' The resolved configuration of this run and where each value came from; train --resume reads it.';
  if (isMap(document.contents)) comment(document.contents, '', provenance);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function comment(map: YAMLMap, prefix: string, provenance: Readonly<Record<string, string>>): void {
  for (const pair of map.items) {
    if (!isPair(pair) || !isScalar(pair.key)) continue;
    const path = `${prefix}${String(pair.key.value)}`;
    if (isMap(pair.value)) {
      comment(pair.value, `${path}.`, provenance);
      continue;
    }
    if (isSeq(pair.value)) pair.value.flow = true;
    if (isScalar(pair.value) || isSeq(pair.value)) pair.value.comment = ` ${provenance[path] ?? 'default'}`;
  }
}
