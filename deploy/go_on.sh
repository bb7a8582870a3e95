#!/bin/sh
# Begins a run, or goes on with it where it has begun: for whatever starts a program again after it was stopped or lost.
#
#   go_on.sh train|coordinator NAME CONFIG [more flags]     the run is in $RUNS/NAME (default: runs/NAME)
#
# The program takes this shell's place, so that it hears the signals itself, and its exit code is the last word: 0 done, 75 start me again.
set -eu
command=$1 name=$2 config=$3
shift 3
runs=${RUNS:-runs}
if [ -f "$runs/$name/config.yaml" ]; then
  exec tfjs-parallel "$command" --resume "$runs/$name" "$@"
fi
exec tfjs-parallel "$command" --config "$config" --run-dir "$runs" --name "$name" "$@"
