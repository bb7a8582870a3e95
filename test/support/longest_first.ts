/**
 * Owns: the order of the test files: the longest first, so that at the end no worker computes for minutes while the other has nothing left. Vitest knows
 * how long each took the last time; from nothing it goes by their sizes, and the longest are small files that start many processes.
 */
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Those that take more than half a minute of two cores, the longest first. */
const LONGEST = [
  'integration/chaos',
  'cluster/hostile_traffic',
  'integration/resumed_run',
  'integration/training_walk',
  'integration/layer_walk',
  'integration/bit_identity',
  'cluster/bounded_memory',
  'integration/advice/models_advice',
  'integration/crash',
  'api/library',
  'coordinator/power_cut',
  'api/fit/fit',
  'integration/augmentation',
  'integration/extended_run',
  'integration/stopped_run',
  'integration/broken_environments',
  'integration/starved_run',
  'cluster/joins_and_leaves',
  'integration/stopped_cluster',
  'integration/verify',
  'api/fit/predict',
  'integration/table_columns',
  'coordinator/storage/state/state_fuzz',
].map((name) => `test/${name}.test.ts`);

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    const rankOf = ({ moduleId }: TestSpecification): number => {
      const rank = LONGEST.indexOf(relative(this.ctx.config.root, moduleId).replaceAll('\\', '/'));
      return rank < 0 ? LONGEST.length : rank;
    };
    return [...others].sort((a, b) => rankOf(a) - rankOf(b));
  }
}
