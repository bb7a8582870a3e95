/**
 * Owns: docs/settings.md, made from the table of settings. Usage: npm run build && node scripts/settings_page.mjs
 * Does not: know any setting (src/common/settings).
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const INTRO = `# Settings

Made by \`scripts/settings_page.mjs\` from the table in \`src/common/settings\`; a test compares.

Each setting can be given as a flag where it has one, as \`--set key=value\`, as a variable (\`TFJS_PARALLEL_OPTIMIZER__MOMENTUM=0.9\`: two underscores step
into a section), or in a file (\`--config FILE\`, YAML or JSON; [config/mnist.yaml](../config/mnist.yaml) says why for each of the reference run):
flag > environment > file > default. Of one flag that is given several times the last counts, \`--config\` too, so that a script can be overruled by what is added behind it; a setting that is given
by its flag and by \`--set\` as well, or by \`--set\` twice, is refused (\`CONFIG_GIVEN_TWICE\`), and so is a key that a file has twice (\`CONFIG_SYNTAX\`). The library call has those marked in "library" by the same name in camelCase (\`maxSteps\`), and the optimizer's in
\`optimizer: { learningRate, schedule: { name } }\`.

What \`--resume\` does with a setting: **fixed**: the result depends on it, so a resume that changes it is refused; **kept**: a resume may change it (what changes bits, as threads and execution do, with \`--numerics relaxed\` alone), and
the run keeps that, in its config.yaml; **call**: of one call alone, never written back; the line that a run prints to continue it repeats it.
"workers": in a cluster the coordinator sends it to workers.
`;

/** @param {readonly { path: string, setting: object }[]} settings  @param {Record<string, string>} groups */
export function settingsPage(settings, groups) {
  const parts = Object.entries(groups).map(([group, heading]) => {
    const rows = settings.filter(({ setting }) => setting.group === group).map(row);
    const head = ['setting', 'flag', 'value', 'default', 'resume', 'workers', 'library', 'what it does'];
    return [`## ${heading.replace(/:$/, '')}`, '', line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n');
  });
  return `${INTRO}\n${parts.join('\n')}`;
}

function row({ path, setting }) {
  const { flag, kind, resume, workers, library, help } = setting;
  const mark = (has) => (has ? 'yes' : '');
  const unset = setting.default;
  return [
    `\`${path}\``,
    flag === null ? '' : `\`${flag}\``,
    valueOf(kind),
    unset === null ? 'null' : `\`${typeof unset === 'string' ? unset : JSON.stringify(unset)}\``,
    resume,
    mark(workers),
    mark(library),
    help,
  ];
}

function valueOf(kind) {
  switch (kind.kind) {
    case 'whole':
    case 'real': {
      const bounds = Object.entries({ atLeast: '≥', above: '>', atMost: '≤', below: '<' });
      const said = bounds.flatMap(([name, sign]) => (kind[name] === undefined ? [] : [`${sign} ${kind[name]}`]));
      return [kind.kind === 'whole' ? 'whole number' : 'number', ...said].join(', ');
    }
    case 'fraction':
      return 'fraction from 0 to 1';
    case 'flag':
      return 'true or false';
    case 'choice':
      return kind.names.map((name) => `\`${name}\``).join(', ');
    default:
      return kind.wanted;
  }
}

const line = (cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { SETTING_LIST } = await import('../dist/common/settings/table.js');
  const { GROUPS } = await import('../dist/common/settings/setting.js');
  writeFileSync(new URL('../docs/settings.md', import.meta.url), settingsPage(SETTING_LIST, GROUPS));
}
