/**
 * Owns: the command line of the scripts in this folder: --help prints the opening comment of the script's file, a wrong option is one line and exit 2.
 * Does not: know any script's options.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';

/** node:util's parseArgs for the script in `file` (its import.meta.filename). Ends the process where there is nothing more to do. */
export function readOptions(file, { options, ...config }) {
  const { values, positionals } = parsed({ ...config, options: { ...options, help: { type: 'boolean', short: 'h' } } }, file);
  if (values.help) {
    console.log(openingComment(readFileSync(file, 'utf8')));
    process.exit(0);
  }
  return { values, positionals };
}

function parsed(config, file) {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!String(error.code).startsWith('ERR_PARSE_ARGS')) throw error;
    // Its first sentence says what is wrong, the others guess.
    const [what] = error.message.split(/\.\s|\.?\n/);
    console.error(`error: ${what}; options: node ${relative(process.cwd(), file)} --help`);
    process.exit(2);
  }
}

function openingComment(text) {
  const [, comment] = /^\/\*\*\n(.*?)\n \*\//s.exec(text);
  return comment.replaceAll(/^ \* ?/gm, '');
}
