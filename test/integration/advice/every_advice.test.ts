/**
 * Owns: that each `next` in the sources with a command has a case in test/support/advice, which runs it, or a reason here; a new one fails until it has.
 */
import { afterAll, expect, it } from 'vitest';
import { removeFolder } from '../../support/advice/cases.js';
import { ADVICE, isOf } from '../../support/advice/follow_cases.js';
import { DOOR_CASES } from '../../support/advice/door_cases.js';
import { FILES_CASES } from '../../support/advice/files_cases.js';
import { MODELS_CASES } from '../../support/advice/models_cases.js';
import { NETWORK_CASES } from '../../support/advice/network_cases.js';
import { RUNS_CASES } from '../../support/advice/runs_cases.js';
import { SETTINGS_CASES } from '../../support/advice/settings_cases.js';

afterAll(removeFolder);

/** The first words stand for the text. */
const NOT_HERE: readonly { readonly file: string; readonly begins: string; readonly why: string }[] = [
  ...['pip install', 'If Keras 2'].map((begins) => ({
    ...{ file: 'src/models/load.ts', begins },
    why: 'needs Python with tensorflowjs: scripts/make_keras_models.py runs these converters',
  })),
  ...['checks/computing', 'checks/container', 'checks/gpus', 'checks/limits', 'checks/ports', 'checks/processor']
    .concat(...['checks/tensorflow', 'checks/way', 'compute_process'])
    .map((name) => ({
      ...{ file: `src/doctor/${name}.ts`, begins: '' },
      why: 'a finding about machines that are not here: test/doctor/checks.test.ts runs the commands of ours',
    })),
  {
    ...{ file: 'src/data/tables/row_cache.ts', begins: 'Make room' },
    why: 'needs a disk without room for the rows',
  },
  {
    ...{ file: 'src/transport/client.ts', begins: 'Install the same version' },
    why: 'needs another version of this package',
  },
];

it('every next with a command has a case, or a reason', () => {
  expect(ADVICE.length).toBeGreaterThan(80);
  const tables = [SETTINGS_CASES, MODELS_CASES, FILES_CASES, RUNS_CASES, DOOR_CASES, NETWORK_CASES];
  const said = tables.flatMap((cases) => Object.values(cases).flatMap(({ says }) => says));
  const lacking = ADVICE.filter((one) => ![...said, ...NOT_HERE].some(isOf(one)));
  expect(lacking).toEqual([]);
  // And no case or reason for what is not said any more.
  expect([...said, ...NOT_HERE].filter((one) => !ADVICE.some((text) => isOf(text)(one)))).toEqual([]);
});
