# What nobody asked for: a report every two seconds, and the journal's pump looked after. A process of its own, for as long
# as the server is there.

REPORT_SECONDS=2

start_reporter() { # OFFSET of the journal
  local me=$BASHPID begun
  start_time "$me"
  begun=$REPLY
  set -m
  report_forever "$me" "$begun" "$1" </dev/null 2>/dev/null &
  REPORTER=$!
  set +m
}

report_forever() { # SERVER, its start time, OFFSET
  TURN=0
  trap 'stop_pump' EXIT
  trap 'exit 0' TERM HUP INT
  start_pump "$1" "$3"
  while is_running "$1" "$2"; do
    tell_report "$1"
    nap "$REPORT_SECONDS"
  done
}

tell_report() { # SERVER
  tell_file_of_report
  [ $((TURN % 2)) -ne 0 ] || tell_sessions
  start_sweep
  # Ends that nobody acknowledged: a torn line of the journal, or evidence that could not be read in its moment.
  TURN=$(((TURN + 1) % 10))
  if tend_pump "$1" "$TURN" || [ "$TURN" -eq 0 ]; then tell_folders ended; fi
}

tell_sessions() {
  local names
  names=$(tmux_here list-sessions -F '#{session_name}' 2>/dev/null)
  case $? in
    127) printf 'R tmux absent\n' ;;
    124 | 125 | 126 | 137) ;; # it did not answer, which is not the same as "no windows"
    *) printf 'R sessions %s\n' "${names//$'\n'/ }" ;;
  esac
}

# The sweep's report, unless it is old, or half written: a sweep that died or hangs must not look like one that sees.
tell_file_of_report() {
  local text='' line at
  [ -f "$FLEET_ROOT/report" ] && { IFS= read -r -d '' -N 262144 text <"$FLEET_ROOT/report"; } 2>/dev/null
  [[ $text == *$'\nwhole\n' ]] || return 0
  at=${text#node }
  at=${at%%[!0-9]*}
  [[ $at =~ ^[0-9]{1,12}$ ]] || return 0
  uptime_seconds
  [ $((REPLY - at)) -ge 0 ] && [ $((REPLY - at)) -le "$REPORT_SECONDS_MAX" ] || return 0
  while IFS= read -r line; do
    [ -n "$line" ] && [ "$line" != whole ] && printf 'R %s\n' "${line:0:500}"
  done <<<"$text"
}
