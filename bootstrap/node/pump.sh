# The journal on its way to the controller. Agents share our user: the file may be torn, cut, replaced or flooded.
# Nothing is lost by that: ends are in the folders, and are told again from there until they are acknowledged.

JOURNAL_BYTES_MAX=8388608
JOURNAL_LINES_PER_SECOND=2000

# REPLY = the journal's size; one that is none is made anew.
journal_size() {
  if [ ! -f "$FLEET_ROOT/journal" ] || [ -L "$FLEET_ROOT/journal" ]; then rm -rf "$FLEET_ROOT/journal"; fi
  [ -s "$FLEET_ROOT/journal" ] || { printf 'journal\n' >>"$FLEET_ROOT/journal"; } 2>/dev/null
  REPLY=$(stat -c %s "$FLEET_ROOT/journal" 2>/dev/null)
  REPLY=${REPLY:-0}
}

start_pump() { # SERVER OFFSET
  set -m
  pump "$(($2 + 1))" "$1" </dev/null 2>/dev/null &
  PUMP=$!
  set +m
}

# Only what has the form of a record goes on, and never more than so much: a pump that is flooded ends itself, and the
# next one begins at the journal's end.
pump() { # OFFSET SERVER
  local line second=-1 count=0
  trap - EXIT TERM HUP INT
  tail -c "+$1" -s 0.2 --pid="$2" -F "$FLEET_ROOT/journal" | only_records | while IFS= read -r -N "$((RECORD_CHARS + 1))" line; do
    [ "$second" = "$SECONDS" ] || { second=$SECONDS; count=0; }
    count=$((count + 1))
    [ "$count" -le "$JOURNAL_LINES_PER_SECOND" ] || kill -TERM 0
    # Who writes an end only here may not be its worker: the attempt's own file holds it first.
    [[ $line != end* ]] || { end_of "${line:4:36}" && [[ $line == "$REPLY"* ]]; } || continue
    printf 'J %s' "$line"
  done
}

# A line without end must not take the machine's memory: grep then gives up, and the pump is begun anew.
only_records() (
  ulimit -v 262144
  local rest='[ a-z0-9-]'
  exec grep --line-buffered -a -x -E \
    "end [0-9a-f-]{36} [0-9]${rest}{$((RECORD_CHARS - 42))}|start [0-9a-f-]{36} [0-9]${rest}{$((RECORD_CHARS - 44))}"
)

stop_pump() { [ -z "${PUMP:-}" ] || kill -- "-$PUMP" 2>/dev/null; }

# Looks after the pump, and now and then the journal's size; true when something may have been missed.
tend_pump() { # SERVER TURN
  if start_time "$PUMP"; then
    [ $(($2 % 5)) -eq 0 ] || return 1
    journal_size
    [ "$REPLY" -gt "$JOURNAL_BYTES_MAX" ] || return 1
  fi
  stop_pump
  cut_journal
  journal_size
  start_pump "$1" "$REPLY"
}

# What it holds is in the folders too.
cut_journal() {
  journal_size
  [ "$REPLY" -le "$JOURNAL_BYTES_MAX" ] || : >"$FLEET_ROOT/journal"
}
