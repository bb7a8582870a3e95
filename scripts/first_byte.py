#!/usr/bin/env python3
"""How long a person looks at an empty terminal: from starting a command on a pseudo-terminal to the first byte it shows, and to the second writing,
which is the first that the loaded program makes. Wall and processor time (user and system, of the process until then), the median of several.

    npm run build && scripts/first_byte.py [RUNS] [-- COMMAND...]    default: 11 runs of train, coordinator and worker, and of a bare node beside them
"""
import os
import pty
import signal
import statistics
import sys
import tempfile
import time

CLI = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'dist', 'cli', 'main.js')
BARE = ['node', '-e', "process.stderr.write('x'); setTimeout(() => process.stderr.write('y'), 50); setTimeout(() => {}, 9e5)"]
SCRATCH = tempfile.TemporaryDirectory(prefix='first-byte-')
COMMANDS = {
    'node alone': BARE,
    'train': ['node', CLI, 'train', '--data', 'synthetic', '--workers', '1', '--run-dir', SCRATCH.name],
    'coordinator': ['node', CLI, 'coordinator', '--data', 'synthetic', '--shards', '2', '--listen', '127.0.0.1:0', '--run-dir', SCRATCH.name],
    'worker': ['node', CLI, 'worker', '--host', '127.0.0.1:9', '--wait', '60'],
}
TICK_MS = 1000 / os.sysconf('SC_CLK_TCK')


def processor_ms(pid):
    with open(f'/proc/{pid}/stat') as stat:
        fields = stat.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_MS


def measure(command):
    """[(wall, processor) of the first byte, of the second writing], ms."""
    begin = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ['TFJS_PARALLEL_TOKEN'] = 'A' * 43
        os.execvp(command[0], command)
    times = []
    try:
        while len(times) < 2:
            if not os.read(terminal, 65536).strip(b'\r\x1b[1G'):
                continue
            times.append(((time.monotonic() - begin) * 1000, processor_ms(pid)))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    return times


def main():
    arguments = sys.argv[1:]
    own = arguments[arguments.index('--') + 1:] if '--' in arguments else None
    runs = int(arguments[0]) if arguments and arguments[0] != '--' else 11
    print(f'{"":12}  first byte: wall (best, worst), processor    second writing: wall, processor')
    for name, command in ({' '.join(own): own} if own else COMMANDS).items():
        first, second = zip(*[measure(command) for _ in range(runs)])
        wall = [ms for ms, _ in first]
        middle = lambda values: statistics.median(values)
        print(f'{name:12}  {middle(wall):5.0f} ms ({min(wall):.0f}, {max(wall):.0f}), {middle([ms for _, ms in first]):.0f} ms'
              f'    {middle([ms for ms, _ in second]):5.0f} ms, {middle([ms for _, ms in second]):.0f} ms')


main()
