/**
 * Loaded before a run: once it has written the record that HELD_AT names (`start`, or the number of a step) to standard output, the process stops as by
 * SIGSTOP, until SIGCONT.
 */
import { isMainThread } from 'node:worker_threads';

const { write } = process.stdout;

function isIt(line) {
  if (!line.startsWith('{')) return false;
  const { type, step } = JSON.parse(line);
  return String(type === 'step' ? step : type) === process.env.HELD_AT;
}

if (isMainThread)
  process.stdout.write = function (text, ...rest) {
    const written = write.call(this, text, ...rest);
    // A record is written whole.
    if (String(text).split('\n').some(isIt)) {
      process.stdout.write = write;
      process.kill(process.pid, 'SIGSTOP');
    }
    return written;
  };
