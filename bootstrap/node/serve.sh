# The one stream: commands in on standard input, answers (A), evidence (B), folders (F), journal (J) and reports (R) out.
# Every line is one write of less than 4,096 bytes, so that the journal's pump and the answers cannot mix.

answer() { printf 'A %s %s\n' "$1" "$2"; }
refuse() { printf 'A %s {"ok":false,"code":"%s","message":"%s"}\n' "$1" "$2" "$3"; }

serve() { # BOOT, when it came here through a scope of its own
  local line='' part code reported=-2
  GREETED=
  find_holder "$1"
  trap 'leave' EXIT
  trap 'exit 0' TERM HUP INT
  printf 'H %s %s\n' "$PROTOCOL" "$BASHPID"
  while :; do
    IFS= read -r -t 2 part
    code=$?
    line+=$part # one that stalls half-way goes on: its rest must not be taken for another line
    if [ "$code" -eq 0 ]; then
      set -f
      # shellcheck disable=SC2086
      set -- $line
      set +f
      line=
      [ $# -ge 2 ] && obey "$@"
    elif [ "$code" -le 128 ]; then
      exit 0 # the controller closed the stream, or is gone
    fi
    uptime_seconds # not SECONDS: that follows the wall clock, and would be silent for as long as it jumps back
    if [ -n "$GREETED" ] && [ $((REPLY - reported)) -ge 2 ]; then
      tell_report
      uptime_seconds # after it: a tmux that hangs must not make every turn a report
      reported=$REPLY
    fi
  done
}

leave() {
  [ -n "${PUMP:-}" ] && kill -- "-$PUMP" 2>/dev/null
  if [ -n "${GREETED:-}" ] && is_my_turn; then record_server '' ''; fi
  return 0
}

is_my_turn() {
  local epoch
  { read -r epoch <"$FLEET_ROOT/epoch"; } 2>/dev/null && [ "$epoch" = "$EPOCH" ]
}

obey() { # ID VERB ARG...
  local id=$1 verb=$2
  shift 2
  case $verb in
    hello) hello "$id" "$@" && return 0 || return 0 ;;
    bye) exit 0 ;;
  esac
  if [ -z "$GREETED" ]; then refuse "$id" protocol "greet first"; exit 1; fi
  if ! is_my_turn; then refuse "$id" fenced "another controller took over"; exit 1; fi
  case $verb in
    start) start_attempt "$id" "$@" ;;
    stop) stop_attempt "$id" "$@" ;;
    evidence) tell_evidence "$id" "$@" ;;
    ack) acknowledge "$id" "$@" ;;
    sessions) open_sessions "$id" "$@" ;;
    unsessions) close_sessions "$id" "$@" ;;
    *) refuse "$id" protocol "unknown word" ;;
  esac
}

tell_report() {
  local line
  tell_file_of_report
  line=$(tmux_here list-sessions -F '#{session_name}' 2>/dev/null)
  case $? in
    127) printf 'R tmux absent\n' ;;
    124 | 125 | 126 | 137) ;; # it did not answer, which is not the same as "no windows"
    *) printf 'R sessions %s\n' "${line//$'\n'/ }" ;;
  esac
  start_sweep
  # Ends that nobody acknowledged: a torn line of the journal, or evidence that could not be read in its moment.
  TOLD=$(((TOLD + 1) % 10))
  if tend_pump || [ "$TOLD" -eq 0 ]; then tell_folders ended; fi
}

# The sweep's report, unless it is old: a sweep that died or hangs must not look like one that sees.
tell_file_of_report() {
  local text='' line at
  [ -f "$FLEET_ROOT/report" ] && { IFS= read -r -d '' -N 262144 text <"$FLEET_ROOT/report"; } 2>/dev/null
  at=${text#node }
  at=${at%%[!0-9]*}
  [[ $at =~ ^[0-9]{1,12}$ ]] || return 0
  uptime_seconds
  [ $((REPLY - at)) -ge 0 ] && [ $((REPLY - at)) -le "$REPORT_SECONDS_MAX" ] || return 0
  while IFS= read -r line; do
    [ -n "$line" ] && printf 'R %s\n' "${line:0:500}"
  done <<<"$text"
}
