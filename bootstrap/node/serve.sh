# The one stream: requests in on standard input, answers (A), evidence (B, T), folders (F), journal (J) and reports (R) out.
# Every line is one write of less than 4,096 bytes, so that those who write cannot mix.

answer() { printf 'A %s %s\n' "$1" "$2"; }
refuse() { printf 'A %s {"ok":false,"code":"%s","message":"%s"}\n' "$1" "$2" "$3"; }

# A request is its length in six digits, then so many bytes of words: bash reads a line byte by byte, and what has a length
# at once.
serve() { # BOOT, when it came here through a scope of its own
  GREETED=
  ACKNOWLEDGED=0
  find_holder "$1"
  trap 'leave' EXIT
  trap 'exit 0' TERM HUP INT
  # From here on what goes wrong in words of the shell is nobody's but a curious person's.
  if { : >>"$FLEET_ROOT/serve.log"; } 2>/dev/null; then exec 2>>"$FLEET_ROOT/serve.log"; fi
  printf 'H %s %s\n' "$PROTOCOL" "$BASHPID"
  while read_bytes 6 && [[ $REPLY == [0-9][0-9][0-9][0-9][0-9][0-9] ]] && read_bytes "$((10#$REPLY))"; do
    set -f
    # shellcheck disable=SC2086
    set -- $REPLY
    set +f
    [ $# -lt 2 ] || obey "$@"
  done
  exit 0 # the controller closed the stream, or is gone
}

leave() {
  [ -z "${REPORTER:-}" ] || kill -- "-$REPORTER" 2>/dev/null
  if [ -n "${GREETED:-}" ] && is_my_turn; then record_server '' ''; fi
  return 0
}

is_my_turn() {
  local epoch
  read -r epoch <"$FLEET_ROOT/epoch" && [ "$epoch" = "$EPOCH" ]
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
    agents) make_places "$id" "$@" ;;
    start) start_attempt "$id" "$@" ;;
    stop) stop_attempt "$id" "$@" ;;
    evidence) tell_evidence "$id" "$@" ;;
    ack) acknowledge "$id" "$@" ;;
    sessions) open_sessions "$id" "$@" ;;
    unsessions) close_sessions "$id" "$@" ;;
    *) refuse "$id" protocol "unknown word" ;;
  esac
}
