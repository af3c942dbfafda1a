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
  TOLD='' TMUX_PID='' WINDOWS='' SESSIONS=''
  trap 'stop_pump' EXIT
  trap 'exit 0' TERM HUP INT
  start_pump "$1" "$3"
  while is_running "$1" "$2"; do
    tell_report "$1"
    nap "$REPORT_SECONDS"
  done
}

tell_report() { # SERVER
  start_sweep # it may have died
  SAYING=
  tell_file_of_report
  tell_sessions
  flush_lines
  # Ends that nobody acknowledged: a torn line of the journal, or evidence that could not be read in its moment.
  TURN=$(((TURN + 1) % 10))
  if tend_pump "$1" "$TURN" || [ "$TURN" -eq 0 ]; then tell_folders ended; fi
}

# A window is a child of tmux: while they are the same, tmux need not be asked, which takes two processes. Now and then it is.
tell_sessions() {
  local names windows=''
  [ -z "$TMUX_PID" ] || { read -r windows <"/proc/$TMUX_PID/task/$TMUX_PID/children"; } 2>/dev/null
  if [ "$TURN" -ne 0 ] && [ -n "$windows" ] && [ "$windows" = "$WINDOWS" ]; then
    add_line "sessions $SESSIONS"
    return
  fi
  [ -n "$windows" ] || [ $((TURN % 2)) -eq 0 ] || return 0
  names=$(tmux_here list-sessions -F '#{pid} #{session_name}' 2>/dev/null)
  case $? in
    127) add_line 'tmux absent' ;;
    124 | 125 | 126 | 137) ;; # it did not answer, which is not the same as "no windows"
    *)
      TMUX_PID=${names%% *} WINDOWS=$windows
      SESSIONS=${names#* }
      SESSIONS=${SESSIONS//$'\n'$TMUX_PID / }
      add_line "sessions $SESSIONS"
      ;;
  esac
}

# The sweep's report, unless it is old, or half written: a sweep that died or hangs must not look like one that sees. Where
# it has not looked anew, its first line is the sign of life.
tell_file_of_report() {
  local text='' lines=() line at
  [ -f "$FLEET_ROOT/report" ] && { IFS= read -r -d '' -N 262144 text <"$FLEET_ROOT/report"; } 2>/dev/null
  [[ $text == *$'\nwhole\n' ]] || return 0
  at=${text#node }
  at=${at%%[!0-9]*}
  [[ $at =~ ^[0-9]{1,12}$ ]] || return 0
  uptime_seconds
  [ $((REPLY - at)) -ge 0 ] && [ $((REPLY - at)) -le "$REPORT_SECONDS_MAX" ] || return 0
  if [ "$text" = "$TOLD" ]; then text=${text%%$'\n'*}; else TOLD=$text text=${text%whole?}; fi
  mapfile -t lines <<<"$text"
  for line in "${lines[@]}"; do
    [ -z "$line" ] || add_line "${line:0:500}"
  done
}

# As many lines with one write as go whole, which is 4,096 bytes: each write is a packet, for sshd and for the controller.
add_line() {
  [ $((${#SAYING} + ${#1})) -le 4000 ] || flush_lines
  SAYING+="R $1"$'\n'
}

flush_lines() {
  [ -z "$SAYING" ] || printf '%s' "$SAYING"
  SAYING=
}
