/**
 * Owns: the `init` command: looks at a file of data, if one is named, writes the files of a first run, and prints what comes next.
 * Does not: read data (src/data) or word the files (src/init).
 */
import { relative, resolve } from 'node:path';
import { Argument, Command, Option } from 'commander';
import { printable } from '../../common/one_line.js';
import type { Dataset, Field } from '../../common/dataset.js';
import type { DataConfig } from '../../data/load.js';
import type { DataFacts } from '../../init/project.js';
import type { CommandContext } from '../context.js';
import { GROUP, readOption } from '../setting_flags.js';

/** src/data/load_aside.ts, when it is needed. */
export type LoadData = (config: DataConfig) => Promise<Dataset>;

const EXAMPLES = `Examples:
  tfjs-parallel init                                             settings, a model, and a data module to put your own data into
  tfjs-parallel init flowers --data flowers.csv --labels kind    for a table: settings and a model that fit it
  tfjs-parallel init --data digits.npz
`;

export function initCommand(context: CommandContext, loadLoader: () => Promise<LoadData>): Command {
  const command = new Command('init')
    .description('Write run.yaml and model.mjs for data of your own, with comments; nothing is written over a file.')
    .addArgument(new Argument('[folder]', 'where to write').default('.'))
    .addHelpText('before', EXAMPLES);
  const add = (flags: string, help: string): void => void command.addOption(new Option(flags, help).helpGroup(GROUP.data));
  add('--data <file>', 'a file to look at (.csv, .parquet, .npz, .npy, a module); without it a data module is written');
  add('--inputs <names>', 'columns or arrays that the model sees, joined by commas');
  add('--labels <names>', 'columns or arrays that it shall answer');
  add('--validation-file <file>', 'where the validation set is, of a file that holds one set');
  return command.action(async (folder: string) => {
    const [{ MODULE_FACTS, projectFiles }, { writeProject }] = await Promise.all([
      import('../../init/project.js'),
      import('../../init/write_project.js'),
    ]);
    const data = readOption(command, 'data');
    const [inputs, labels] = [names('inputs'), names('labels')];
    const validationFile = readOption(command, 'validationFile');
    const config = {
      data: data ?? '',
      dataDir: null,
      trainLimit: null,
      validationLimit: null,
      seed: 1,
      inputs,
      labels,
      validationFile,
    };
    const facts = data === null ? MODULE_FACTS : factsOf(await (await loadLoader())(config as DataConfig));
    const here = (path: string | null): string | null => (path === null ? null : relative(resolve(folder), resolve(path)));
    const moved = { data: asPath(here(data)), inputs, labels, validationFile: asPath(here(validationFile)) };
    const paths = writeProject(folder, projectFiles({ ...moved, facts }));
    const enter = resolve(folder) === process.cwd() ? '' : `cd ${folder} && `;
    context.stdout.write(printable(`wrote ${paths.join(', ')}\nnext: ${enter}npx tfjs-parallel train --config run.yaml\n`));
  });

  function names(flag: string): string[] | null {
    return (
      readOption(command, flag)
        ?.split(',')
        .map((name) => name.trim()) ?? null
    );
  }
}

/** A module is told from a name by its beginning. */
function asPath(path: string | null): string | null {
  return path === null || path.startsWith('.') || path.startsWith('/') ? path : `./${path}`;
}

function factsOf({ name, fields, train, validation }: Dataset): DataFacts {
  const size = ({ shape }: Field): number => shape.reduce((product, extent) => product * extent, 1);
  return {
    name,
    inputs: fields.inputs.map((field) => ({ name: field.name, shape: field.shape })),
    targets: fields.targets.map((field) => ({
      name: field.name,
      size: size(field),
      ...(field.classes !== undefined && { classes: field.classes }),
    })),
    train: train.count,
    validation: validation?.count ?? 0,
  };
}
