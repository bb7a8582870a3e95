/**
 * Owns: `config.yaml` of a run folder: the resolved configuration, each value with where it came from as a comment, and what resumes changed in it.
 * Does not: read it back (src/cli/config_file.ts reads every configuration).
 */
import { Document, isMap, isPair, isScalar, isSeq, parseDocument } from 'yaml';
import type { YAMLMap } from 'yaml';
import type { SettingChange } from '../../../common/setting_change.js';
import { settingAt } from '../../../common/settings/table.js';
import { renameKeys, toSnakeCase } from '../../../common/snake_case.js';
import type { TrainConfig } from '../../../common/train_config.js';

/** `provenance`: dotted snake_case path → `flag --batch`, `config/mnist.yaml:12`; what is not in it counts as `default`. */
export function renderConfig(config: TrainConfig, provenance: Readonly<Record<string, string>>): string {
  const document = new Document(renameKeys(config, toSnakeCase));
  document.commentBefore = ' The resolved configuration of this run and where each value came from; train --resume reads it.';
  if (isMap(document.contents)) comment(document.contents, '', provenance);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** The file's text with other values, each saying where it came from, since which step, and what it was; all else, comments too, stays as it is. */
export function changeConfig(text: string, { changes, step }: { changes: readonly SettingChange[]; step: number }): string {
  const document = parseDocument(text);
  for (const { path, before, value, source } of changes) {
    const node = document.createNode(value);
    if (isSeq(node)) node.flow = true;
    node.comment = ` ${source}, after step ${step}; ${JSON.stringify(before)} before`;
    const former = settingAt(path)?.formerly;
    if (former !== undefined) document.deleteIn(former.split('.'));
    document.setIn(path.split('.'), node);
  }
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
