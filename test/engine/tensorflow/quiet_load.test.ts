/** Owns: that TensorFlow's notes at its start are kept off standard error, and nothing else is. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

const NOTES = [
  'WARNING: All log messages before absl::InitializeLog() is called are written to STDERR',
  'I0000 00:00:1795979096.675257     745 port.cc:153] oneDNN custom operations are on. You may see slightly different numerical results',
  'E0000 00:00:1795984220.462902   14986 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: UNKNOWN ERROR (303)',
];
const OTHERS = ['W0000 00:00:1 2 any.cc:1] what a user should see', 'a line of another library'];

describe('standard error while TensorFlow starts', () => {
  const printed = (environment: Record<string, string>): string[] => {
    const module = pathToFileURL(resolve('build/engine/tensorflow/quiet_load.js')).href;
    const lines = [NOTES[0], OTHERS[0], NOTES[1], NOTES[2], OTHERS[1]].map((line) => `${line}\n`).join('');
    const program = `import { writeSync } from 'node:fs'; import { withoutLoadNotes } from ${JSON.stringify(module)};
      withoutLoadNotes(() => writeSync(2, ${JSON.stringify(lines)})); writeSync(2, 'afterwards\\n');`;
    const { TF_CPP_MIN_LOG_LEVEL: _, ...rest } = process.env;
    const env = { ...rest, ...environment };
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    return stderr.trim().split('\n');
  };

  it('has all lines but the notes', () => {
    expect(printed({})).toEqual([...OTHERS, 'afterwards']);
    expect(printed({ TF_CPP_MIN_LOG_LEVEL: '3' })).toEqual([...OTHERS, 'afterwards']);
  });

  it('has all of them where the user asks for more', () => {
    expect(printed({ TF_CPP_MIN_LOG_LEVEL: '0' })).toHaveLength(NOTES.length + OTHERS.length + 1);
  });
});
