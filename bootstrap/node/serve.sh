# The one stream: commands in on standard input, answers (A), evidence (B), folders (F), journal (J) and reports (R) out.
# Every line is one write of less than 4,096 bytes, so that the journal's pump and the answers cannot mix.

answer() { printf 'A %s %s\n' "$1" "$2"; }
refuse() { printf 'A %s {"ok":false,"code":"%s","message":"%s"}\n' "$1" "$2" "$3"; }

serve() {
  local line='' part code reported=-2
  GREETED=
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
    if [ -n "$GREETED" ] && [ $((SECONDS - reported)) -ge 2 ]; then
      reported=$SECONDS
      tell_report
    fi
  done
}

leave() {
  [ -n "${PUMP:-}" ] && kill -- "-$PUMP" 2>/dev/null
  if [ -n "${GREETED:-}" ] && is_my_turn; then rm -f "$FLEET_ROOT/serve.pid"; fi
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

# ID LEDGER MACHINE EPOCH TAKEOVER: takes the node: one owner, one live connection, a higher epoch.
hello() {
  local id=$1 owner="$2 $3" epoch=0 former='' pid start boot text
  mkdir -p "$FLEET_ROOT"/{lock,open,attempts,agents,gate,templates}
  exec 9>"$FLEET_ROOT/hello.lock"
  flock -w 10 9 # two greetings at once: one after the other, and the later one is the only one
  { read -r former <"$FLEET_ROOT/owner"; } 2>/dev/null
  if [ -n "$former" ] && [ "$former" != "$owner" ] && [ "$5" != 1 ]; then
    exec 9>&-
    refuse "$id" owned "${former//[^A-Za-z0-9 ._-]/}"
    return 1
  fi
  if [ "$former" != "$owner" ]; then
    printf '%s\n' "$owner" >"$FLEET_ROOT/owner.new" && mv "$FLEET_ROOT/owner.new" "$FLEET_ROOT/owner"
  fi
  { read -r epoch <"$FLEET_ROOT/epoch"; } 2>/dev/null
  [[ $epoch =~ ^[0-9]+$ ]] || epoch=0
  EPOCH=$(((epoch > $4 ? epoch : $4) + 1))
  printf '%s\n' "$EPOCH" 1<>"$FLEET_ROOT/epoch" # in place: a full disk has no room for it anew
  if { read -r pid start <"$FLEET_ROOT/serve.pid"; } 2>/dev/null && [ "$pid" != "$BASHPID" ]; then
    while is_running "$pid" "$start"; do
      kill -KILL "$pid" 2>/dev/null # a former connection's server: what it was about to do must not happen any more
      nap 0.02
    done
  fi
  start_time "$BASHPID"
  printf '%s %s\n' "$BASHPID" "$REPLY" >"$FLEET_ROOT/serve.pid"
  exec 9>&-
  GREETED=1
  TOLD=0
  find_cgroups
  boot=$(</proc/sys/kernel/random/boot_id)
  end_former_boots "$boot"
  start_sweep
  start_pump
  tell_folders all
  text=${FLEET_ROOT//\\/\\\\}
  printf 'A %s {"ok":true,"protocol":%s,"epoch":%s,"boot":"%s","root":"%s","vcpu":%s,"memoryKiB":%s,"tmux":"%s","jq":%s,"cgroup":%s}\n' \
    "$id" "$PROTOCOL" "$EPOCH" "$boot" "${text//\"/\\\"}" "$(nproc)" "$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)" \
    "$(tmux -V 2>/dev/null | tr -cd '0-9.')" "$(is_there jq)" "$([ -n "$CGROUP" ] && echo true || echo false)"
}

is_there() { if command -v "$1" >/dev/null 2>&1; then echo true; else echo false; fi; }

# Whatever ran before a reboot does not run any more: said once, before anything is planned.
end_former_boots() { # BOOT
  local former='' file attempt agent
  { read -r former <"$FLEET_ROOT/boot"; } 2>/dev/null
  if [ -n "$former" ] && [ "$former" != "$1" ]; then
    for file in "$FLEET_ROOT"/open/*; do
      attempt=${file##*/}
      read -r agent _ <"$file"
      end_of "$attempt" || { rm -f "$FLEET_ROOT/attempts/$attempt/secret"; write_end "$attempt" "end $attempt $agent lost - 0 -"; }
    done
  fi
  [ "$former" = "$1" ] || { printf '%s\n' "$1" >"$FLEET_ROOT/boot.new" && mv "$FLEET_ROOT/boot.new" "$FLEET_ROOT/boot"; }
  for file in "$FLEET_ROOT"/attempts/*/secret; do # of a start that was cut short: nobody will read it
    attempt=${file%/secret}
    [ -e "$FLEET_ROOT/open/${attempt##*/}" ] || rm -f "$file"
  done
}

start_sweep() {
  local pid start
  { read -r pid start <"$FLEET_ROOT/sweep.pid"; } 2>/dev/null && is_running "$pid" "$start" && return 0
  sweep_forever </dev/null >/dev/null 2>>"$FLEET_ROOT/sweep.log" &
}

start_pump() {
  local size me=$BASHPID
  [ -s "$FLEET_ROOT/journal" ] || printf 'journal\n' >>"$FLEET_ROOT/journal"
  size=$(stat -c %s "$FLEET_ROOT/journal")
  set -m
  pump $((size + 1)) "$me" </dev/null 2>/dev/null &
  PUMP=$!
  set +m
}

pump() { # OFFSET SERVER
  trap - EXIT TERM HUP INT
  tail -c "+$1" -s 0.2 --pid="$2" -F "$FLEET_ROOT/journal" | while IFS= read -r line; do
    [ -n "$line" ] && printf 'J %s\n' "${line:0:2000}"
  done
}

# What is true by the folders: one line for each attempt not acknowledged yet. Before anything else is said, of all of
# them; later only of those that ended.
tell_folders() { # WHICH
  local file attempt agent
  for file in "$FLEET_ROOT"/open/*; do
    attempt=${file##*/}
    read -r agent _ <"$file" || continue
    if end_of "$attempt"; then printf 'F %s\n' "$REPLY"; elif [ "$1" = all ]; then printf 'F open %s %s\n' "$attempt" "$agent"; fi
  done
}

tell_report() {
  local line
  if [ -e "$FLEET_ROOT/report" ]; then
    while IFS= read -r line; do printf 'R %s\n' "${line:0:500}"; done <"$FLEET_ROOT/report"
  fi
  line=$(tmux_here list-sessions -F '#{session_name}' 2>/dev/null)
  # 124: tmux did not answer, which is not the same as "no windows".
  [ $? -ge 124 ] || printf 'R sessions %s\n' "${line//$'\n'/ }"
  start_sweep
  # Ends that nobody acknowledged: a torn line of the journal, or evidence that could not be read in its moment.
  TOLD=$(((TOLD + 1) % 10))
  if [ "$TOLD" -eq 0 ]; then tell_folders ended; fi
}
