#!/usr/bin/env bash
# Makes an SVG of a real terminal: runs a command in tmux, waits until it has ended or a text stands on the screen, and draws what is there.
# Usage: scripts/terminal_picture.sh OUT.svg [--until TEXT] [--size COLUMNSxROWS] -- COMMAND...
# Needs tmux and python3 with pip (the drawing is rich's `export_svg`, installed into a temporary folder).
set -euo pipefail
out=${1:?OUT.svg}; shift; until=''; size=100x30
while [ "${1:-}" != -- ]; do
  case ${1:-} in
    --until) until=$2; shift 2;;
    --size) size=$2; shift 2;;
    *) sed -n 2,4p "$0" >&2; exit 2;;
  esac
done
shift
work=$(mktemp -d); session=picture-$$
trap 'tmux kill-session -t "$session" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv" && "$work/venv/bin/pip" -q install 'rich==14.1.0'
printf '%q ' "$@" > "$work/command"
tmux new-session -d -s "$session" -x "${size%x*}" -y "${size#*x}" "bash $work/command; touch $work/ended; sleep 3600"
for _ in $(seq 1800); do
  tmux capture-pane -e -p -t "$session" > "$work/screen"
  [ -e "$work/ended" ] && break
  [ -n "$until" ] && grep -qF -- "$until" "$work/screen" && break
  sleep 1
done
tmux capture-pane -e -p -t "$session" > "$work/screen"
title=${TITLE:-$*} columns=${size%x*} "$work/venv/bin/python" - "$work/screen" "$out" <<'PYTHON'
import io, os, re, sys
from rich.console import Console
from rich.text import Text

columns = int(os.environ['columns'])
lines = open(sys.argv[1], encoding='utf-8').read().rstrip('\n').split('\n')
console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system='truecolor')
for line in lines:
    console.print(Text.from_ansi(line), no_wrap=True, overflow='crop', crop=True)
svg = console.export_svg(title=os.environ['title'])
# No fonts from elsewhere: the page's own monospace font is used.
svg = re.sub(r'@font-face \{.*?\}\s*', '', svg, flags=re.S).replace('Fira Code, monospace', 'ui-monospace, Menlo, Consolas, monospace')
svg = re.sub(r'<!-- Generated with Rich .*? -->\s*', '', svg)
open(sys.argv[2], 'w', encoding='utf-8').write(svg)
PYTHON
echo "$out"
