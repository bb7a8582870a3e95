/**
 * Owns: the `why` command: a run's own records in, where its time went out.
 * Does not: judge (src/report/why.ts).
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command, Option } from 'commander';
import { StorageError } from '../../common/errors.js';
import { RECORD_VERSION } from '../../common/run_record.js';
import { renameKeys, toSnakeCase } from '../../common/snake_case.js';
import type { CommandContext } from '../context.js';
import { readSwitch } from '../setting_flags.js';
import { printable } from '../../common/one_line.js';

const EXAMPLES = `Examples:
  tfjs-parallel why runs/mnist-001             where the time of its steps went, and the one thing to change
`;

export function whyCommand(context: CommandContext): Command {
  const command = new Command('why')
    .description("Where the time of a run's steps went, and the one thing to change.")
    .addArgument(new Argument('<run>', 'a run folder'))
    .addHelpText('before', EXAMPLES)
    .addOption(new Option('--json', 'one record'));
  return command.action(async (run: string) => {
    const [{ RunStory }, { recordsIn }, { whyLines, whyOf }] = await Promise.all([
      import('../../report/files/run_story.js'),
      import('../../report/files/records_in.js'),
      import('../../report/why.js'),
    ]);
    const story = new RunStory();
    for (const record of recordsIn(metricsOf(run))) story.add(record);
    const why = whyOf(story);
    if (why === null) throw nothingToRead(run, 'no epoch of it has ended', `tfjs-parallel train --resume ${run}`);
    const record = { v: RECORD_VERSION, type: 'why', ...(renameKeys(why, toSnakeCase) as object) };
    const text = readSwitch(command, 'json') ? JSON.stringify(record) : whyLines(why).join('\n');
    context.stdout.write(printable(`${text}\n`));
  });
}

function metricsOf(run: string): string {
  const path = join(run, 'metrics.jsonl');
  if (!statSync(path, { throwIfNoEntry: false })?.isFile())
    throw nothingToRead(run, 'it has no metrics.jsonl', 'Give the folder of a run, such as runs/mnist-001.');
  return readFileSync(path, 'utf8');
}

function nothingToRead(run: string, what: string, next: string): StorageError {
  return new StorageError({
    code: 'NOTHING_TO_READ',
    message: `${run} cannot be read for where its time went: ${what}`,
    next,
  });
}
