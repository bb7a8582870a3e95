/**
 * Owns: the `init` command: looks at a file of data, if one is named, writes the files of a first run, and prints what comes next.
 * Does not: read data (src/data) or word the files (src/init).
 */
import { relative, resolve } from 'node:path';
import { Argument, Command, Option } from 'commander';
import { printable } from '../../common/one_line.js';
import type { Dataset, Field, NumericArray } from '../../common/dataset.js';
import { toSnakeCase } from '../../common/snake_case.js';
import type { DataConfig } from '../../data/load.js';
import type { DataFacts, TargetFacts } from '../../init/data_facts.js';
import type { CommandContext } from '../context.js';
import { addOwnFlags, GROUP, readOption, readSettingFlags } from '../setting_flags.js';

/** src/data/load_aside.ts, when it is needed. */
export type LoadData = (config: DataConfig) => Promise<Dataset>;

const EXAMPLES = `Examples:
  tfjs-parallel init                                             settings, a model, and a data module to put your own data into
  tfjs-parallel init flowers --data flowers.csv --labels kind    for a table: settings and a model that fit it
  tfjs-parallel init --data digits.npz
  tfjs-parallel init --data photos --image-size 64               pictures, a folder for each class (npm install sharp)
`;

export function initCommand(context: CommandContext, loadLoader: () => Promise<LoadData>): Command {
  const command = new Command('init')
    .description('Write run.yaml and model.mjs for data of your own, with comments; nothing is written over a file.')
    .addArgument(new Argument('[folder]', 'where to write').default('.'))
    .addHelpText('before', EXAMPLES);
  const add = (flags: string, help: string): void => void command.addOption(new Option(flags, help).helpGroup(GROUP.data));
  add(
    '--data <file>',
    'a file to look at (.csv, .parquet, .npz, .npy, a module) or a folder of pictures; without it a data module is written',
  );
  add('--inputs <names>', 'columns or arrays that the model sees, joined by commas');
  add('--labels <names>', 'columns or arrays that it shall answer');
  add('--validation-file <file>', 'where the validation set is, of a file that holds one set');
  addOwnFlags(command);
  return command.action(async (folder: string) => {
    const [{ MODULE_FACTS, projectFiles }, { writeProject }, { checkLayer, commandLineLayer }, { completeConfig }] =
      await Promise.all([
        import('../../init/project.js'),
        import('../../init/write_project.js'),
        import('../config_layers.js'),
        import('../../common/settings/table.js'),
      ]);
    const data = readOption(command, 'data');
    const [inputs, labels] = [names('inputs'), names('labels')];
    const validationFile = readOption(command, 'validationFile');
    const reading = checkLayer(commandLineLayer({ flags: readSettingFlags(command), sets: [] }));
    const config = { ...completeConfig(reading), data: data ?? '', inputs, labels, validationFile };
    const facts = data === null ? MODULE_FACTS : factsOf(await (await loadLoader())(config));
    const here = (path: string | null): string | null => (path === null ? null : relative(resolve(folder), resolve(path)));
    const moved = { data: asPath(here(data)), inputs, labels, validationFile: asPath(here(validationFile)) };
    const labelFile = asPath(here(config.labelFile));
    const written = Object.entries({ ...reading, ...(labelFile !== null && { labelFile }) }) as [string, string][];
    const reads = Object.fromEntries(written.map(([name, value]) => [toSnakeCase(name), value]));
    const paths = writeProject(folder, projectFiles({ ...moved, reading: reads, facts }));
    if (facts.validation === 0)
      context.stderr.write(
        printable(
          `note: ${facts.name} has no validation set, so that nothing will say how the model does on examples that it never saw: ${HOLD_BACK}\n`,
        ),
      );
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

const HOLD_BACK = 'put some aside, and name them with --validation-file (pictures: a folder train and a folder validation).';

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
      ...(field.classes === undefined ? scaleOf(train.targets[field.name], size(field)) : { classes: field.classes }),
    })),
    train: train.count,
    validation: validation?.count ?? 0,
  };
}

/** Wider vectors are left as they are: so many columns are seldom of different units. */
const SCALED_VALUES = 8;

/** A network begins with answers around 0: labels far from there (prices, years) would take it thousands of steps to reach. */
function scaleOf(values: NumericArray | undefined, size: number): Pick<TargetFacts, 'scale'> {
  const count = (values?.length ?? 0) / size;
  if (values === undefined || count < 2 || size > SCALED_VALUES) return {};
  const scale = Array.from({ length: size }, (_, column) => {
    let [sum, squares] = [0, 0];
    for (let at = column; at < values.length; at += size) sum += values[at];
    const mean = sum / count;
    for (let at = column; at < values.length; at += size) squares += (values[at] - mean) ** 2;
    return { mean: Number(mean.toPrecision(3)), spread: Number(Math.sqrt(squares / count).toPrecision(3)) || 1 };
  });
  const isNear = scale.every(({ mean, spread }) => Math.abs(mean) <= 3 && spread >= 0.1 && spread <= 10);
  return isNear ? {} : { scale };
}
