/**
 * Owns: running a command line on a real pseudo-terminal (Python's pty) and pressing Ctrl-C there.
 * Does not: judge what it printed.
 */
import { spawnSync } from 'node:child_process';

/** Presses once the output holds a word, and again after a second each time. Prints what came out, and how it ended, as JSON. */
const DRIVER = `
import json, os, pty, select, sys, time
command, word, presses = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp('bash', ['bash', '-c', command])
out, pressed, last = b'', 0, 0.0
while True:
    ready, _, _ = select.select([terminal], [], [], 0.1)
    if ready:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    if pressed < presses and word in out and time.monotonic() - last > 1:
        time.sleep(1)
        try:
            os.write(terminal, b'\\x03')
        except OSError:
            pass
        pressed, last = pressed + 1, time.monotonic()
_, status = os.waitpid(pid, 0)
print(json.dumps({'out': out.decode(errors='replace'), 'code': os.waitstatus_to_exitcode(status), 'ms': 1000 * (time.monotonic() - last)}))
`;

export interface OnTerminal {
  readonly out: string;
  /** Of the launcher; negative for a signal. */
  readonly code: number;
  /** From the last press of Ctrl-C to the launcher's end. */
  readonly ms: number;
}

export const hasTerminals = spawnSync('python3', ['-c', 'import pty, os; os.waitstatus_to_exitcode']).status === 0;

export function onTerminal(command: string, { word, presses, cwd }: { word: string; presses: number; cwd: string }): OnTerminal {
  const { stdout, stderr, status } = spawnSync('python3', ['-c', DRIVER, command, word, String(presses)], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  if (status !== 0) throw new Error(`the terminal's driver failed: ${stderr}`);
  return JSON.parse(stdout) as OnTerminal;
}
