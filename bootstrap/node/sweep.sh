# The sweep: one process per fleet and node, there as long as anything runs or a controller listens. It keeps time
# limits, notices silence and dead workers, bounds output and writes the report. No connection is needed for it.

# Begins it where none runs. Whoever notices does it: the server, and every worker when it begins and ends.
start_sweep() {
  local pid='' start=''
  { read -r pid start <"$FLEET_ROOT/sweep.pid"; } 2>/dev/null && is_running "$pid" "$start" && return 0
  { cd "$FLEET_ROOT" && sweep_forever; } </dev/null >/dev/null 2>"$FLEET_ROOT/sweep.log" 6>&- 7>&- &
}

sweep_forever() {
  trap - TERM EXIT
  trap : HUP INT
  exec 8>"$FLEET_ROOT/sweep.lock"
  flock -n 8 || exit 0
  start_time "$BASHPID"
  printf '%-60s\n' "$BASHPID $REPLY" 1<>"$FLEET_ROOT/sweep.pid"
  declare -gA HEARD=() BYTES=() UNCLAIMED=() ASIDE=()
  MEASURED=0
  PRUNED=0
  local idle=0
  while [ -d "$FLEET_ROOT" ] && [ "$idle" -lt 60 ]; do
    uptime_seconds
    sweep_once "$REPLY"
    # Ends that are not acknowledged keep nothing alive: the folders hold them.
    if [ "$RUNNING" -eq 0 ] && ! is_listening; then idle=$((idle + 1)); else idle=0; fi
    nap 1
  done
}

is_listening() {
  local pid='' start=''
  { read -r pid start <"$FLEET_ROOT/serve.pid"; } 2>/dev/null && is_running "$pid" "$start"
}

sweep_once() { # NOW
  local file attempt ids=()
  RUNNING=0
  for file in "$FLEET_ROOT"/open/*; do
    attempt=${file##*/}
    end_of "$attempt" && continue
    ids+=("$attempt")
  done
  RUNNING=${#ids[@]}
  [ $(($1 - MEASURED)) -ge 2 ] && measure "$1" "${ids[@]}"
  take_back_asides
  for attempt in "${ids[@]}"; do sweep_attempt "$attempt" "$1"; done
  [ $(($1 - PRUNED)) -lt "$SWEEP_SECONDS" ] || { PRUNED=$1; prune_groups; }
  is_listening && write_report "$1" "${ids[@]}"
}

# ATTEMPT COMMAND...: what may take seconds is done aside, a few at once, so that no other attempt waits for it.
do_aside() {
  local attempt=$1
  shift
  [ -z "${ASIDE[$attempt]:-}" ] && [ "${#ASIDE[@]}" -lt "$ASIDES_MAX" ] || return 0 # the next round comes soon
  "$@" 8>&- &
  start_time "$!" && ASIDE[$attempt]="$! $REPLY"
}

take_back_asides() {
  local attempt
  for attempt in "${!ASIDE[@]}"; do
    # shellcheck disable=SC2086
    is_running ${ASIDE[$attempt]} || unset "ASIDE[$attempt]"
  done
}

# Sizes of all outputs with one process; silence is "the size did not change".
measure() { # NOW ATTEMPT...
  local now=$1 size path attempt
  MEASURED=$1
  shift
  [ $# -gt 0 ] || return 0
  while read -r size path; do
    attempt=${path%/*}
    attempt=${attempt##*/}
    if [ "${path##*/}" = out ] && [ "${BYTES[$attempt]:--1}" != "$size" ]; then
      BYTES[$attempt]=$size
      HEARD[$attempt]=$now
    fi
    if [ "$size" -gt "$OUT_BYTES_MAX" ]; then
      fallocate -p -o 1048576 -l $((size - OUT_BYTES_MAX / 2 - 1048576)) "$FLEET_ROOT/attempts/$path" 2>/dev/null || :
    fi
  done < <(cd "$FLEET_ROOT/attempts" && stat -c '%s %n' "${@/%//out}" "${@/%//err}" 2>/dev/null)
}

sweep_attempt() { # ATTEMPT NOW
  local attempt=$1 now=$2 folder="$FLEET_ROOT/attempts/$1" who='' pid='' start='' began='' agent limit silence
  { read -r who pid start _ <"$folder/claim"; } 2>/dev/null
  read -r agent limit silence <"$FLEET_ROOT/open/$attempt" || return 0
  if [ "$who" = worker ] && is_running "$pid" "$start"; then
    { read -r _ began _ <"$folder/tool"; } 2>/dev/null
    [ -n "$began" ] || return 0
    escalate "$attempt" "$now"
    [ "$limit" -gt 0 ] && [ $((now - began)) -ge "$limit" ] && ask_to_end "$attempt" timeout
    [ "$silence" -gt 0 ] && [ $((now - ${HEARD[$attempt]:-$now})) -ge "$silence" ] && ask_to_end "$attempt" silent
    return 0
  fi
  if [ -z "$who" ] && ! is_abandoned "$attempt" "$now"; then return 0; fi
  end_of "$attempt" || do_aside "$attempt" give_up "$attempt" "$agent" "$who"
}

# No claim yet: given time to appear; an empty claim belongs to a worker that left its process id in a file name.
is_abandoned() { # ATTEMPT NOW
  local file pid
  for file in "$FLEET_ROOT/attempts/$1"/worker.*; do
    pid=${file##*.}
    start_time "$pid" && return 1
  done
  [ -n "${UNCLAIMED[$1]:-}" ] || UNCLAIMED[$1]=$2
  [ $(($2 - ${UNCLAIMED[$1]})) -ge $((2 * SWEEP_SECONDS)) ]
}

# The worker is dead and nobody saw the tool's end: what still runs is killed first, then the end is written.
give_up() { # ATTEMPT AGENT WHO
  local how=lost ran=x
  if cd "$FLEET_ROOT/attempts/$1" 2>/dev/null; then
    { read -r ran <tool; } 2>/dev/null
  else # somebody removed it, and its tool may run
    mkdir -p "$FLEET_ROOT/attempts/$1" && cd "$FLEET_ROOT/attempts/$1" || return 0
  fi
  if [ -z "$3" ]; then
    [ -e claim ] || claim "sweep $BASHPID 0" || return 0
    [ -n "$ran" ] || how=never
  fi
  kill_rest "$1" || return 0
  rm -f secret
  collect_usage
  stop_reason
  write_end "$1" "end $1 $2 $how - 0 ${REPLY:--}"
}

escalate() { # ATTEMPT NOW: asked to end, and still there
  local reason='' since=''
  { read -r reason since <"$FLEET_ROOT/attempts/$1/stop"; } 2>/dev/null
  [ -n "$reason" ] && [ $(($2 - since)) -ge "$GRACE_SECONDS" ] && do_aside "$1" kill_rest "$1"
  return 0
}

# One file replaced in place; `serve` passes it on while a controller listens.
write_report() { # NOW ATTEMPT...
  local now=$1 attempt agent load available
  shift
  read -r load _ </proc/loadavg
  available=$(awk '/^MemAvailable:/ { print $2; exit }' /proc/meminfo)
  {
    printf 'node %s %s %s\n' "$now" "$load" "${available:-0}"
    for attempt; do
      { read -r agent _ <"$FLEET_ROOT/open/$attempt"; } 2>/dev/null || continue
      printf 'attempt %s %s %s %s\n' "$attempt" "$agent" "${BYTES[$attempt]:-0}" $((now - ${HEARD[$attempt]:-$now}))
    done
  } >"$FLEET_ROOT/report.new" && mv "$FLEET_ROOT/report.new" "$FLEET_ROOT/report"
}
