import { expect, test } from 'vitest';
import { openReporters } from '../../src/cli/open_reporter.js';
import { REPORTERS } from '../../src/report/reporters.js';
import { REPORTER_NAMES, type ReporterName } from '../../src/common/settings/place_settings.js';
import { captureStream } from '../support/capture_stream.js';
import { SAMPLE_START, sampleEnd } from '../support/run_events_sample.js';

async function report(...names: ReporterName[]) {
  const [stdout, stderr] = [captureStream(), captureStream()];
  const context = {
    stdout: stdout as unknown as NodeJS.WriteStream,
    stderr: stderr as unknown as NodeJS.WriteStream,
    environment: {},
  };
  const afterCrash = (run: string) => `tfjs-parallel train --resume ${run}`;
  const reporters = await openReporters({ config: { reporter: names }, verbose: false, afterCrash, context });
  reporters.observer(SAMPLE_START);
  reporters.observer({ type: 'warn', code: 'DISK_FULL', message: 'the state was not written' });
  reporters.observer(sampleEnd());
  reporters.say('a line');
  reporters.close();
  return { out: stdout.text(), err: stderr.text() };
}

const typesIn = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { type: string }).type);

test('every name has its row, and no two claim standard output alike', () => {
  expect(Object.keys(REPORTERS).sort()).toEqual([...REPORTER_NAMES].sort());
  const claims = Object.values(REPORTERS).map(({ claim }) => claim);
  expect(new Set(claims).size).toBe(claims.length);
});

test('text reports on standard output, json writes its records there', async () => {
  const text = await report('text');
  expect(text.out).toBe('context: [cpu(0), cpu(1)]\n');
  expect(text.err).toContain('\n  resume   tfjs-parallel train --resume runs/mnist-001\n');
  const json = await report('json');
  expect(typesIn(json.out)).toEqual(['start', 'warn', 'end']);
  expect(json.err).toBe(
    'should this process die, continue with: tfjs-parallel train --resume runs/mnist-001\n' +
      'warning DISK_FULL: the state was not written\na line\n',
  );
});

test.each([
  ['text', 'json'],
  ['json', 'text'],
] as const)(
  '%s,%s: json owns standard output, text tells all on standard error, and a warning is told once',
  async (...names) => {
    const { out, err } = await report(...names);
    expect(typesIn(out)).toEqual(['start', 'warn', 'end']);
    expect(err).toContain('context: [cpu(0), cpu(1)]\n');
    expect(err).toContain(`weights_sha256 ${'ab'.repeat(32)}\n`);
    expect(err.match(/warning DISK_FULL/g)).toHaveLength(1);
    expect(err.match(/--resume runs\/mnist-001/g)).toHaveLength(1);
  },
);
