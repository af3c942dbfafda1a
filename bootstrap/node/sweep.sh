# The sweep: one process per fleet and node, there as long as anything runs or a controller listens. It keeps time
# limits, notices silence and dead workers, bounds output and writes the report. No connection is needed for it.

sweep_forever() {
  trap - TERM EXIT
  trap : HUP INT
  exec 8>"$FLEET_ROOT/sweep.lock"
  flock -n 8 || exit 0
  start_time "$BASHPID"
  printf '%s %s\n' "$BASHPID" "$REPLY" >"$FLEET_ROOT/sweep.pid"
  declare -gA HEARD=() BYTES=() UNCLAIMED=()
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
  local pid start
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
  [ $(($1 % 2)) -eq 0 ] && measure "$1" "${ids[@]}"
  for attempt in "${ids[@]}"; do sweep_attempt "$attempt" "$1"; done
  is_listening && write_report "$1" "${ids[@]}"
}

# Sizes of all outputs with one process; silence is "the size did not change".
measure() { # NOW ATTEMPT...
  local now=$1 size path attempt
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
    { read -r _ began _ <"$folder/tool"; } 2>/dev/null || return 0
    escalate "$attempt" "$now"
    [ "$limit" -gt 0 ] && [ $((now - began)) -ge "$limit" ] && ask_to_end "$attempt" timeout
    [ "$silence" -gt 0 ] && [ $((now - ${HEARD[$attempt]:-$now})) -ge "$silence" ] && ask_to_end "$attempt" silent
    return 0
  fi
  if [ -z "$who" ] && ! is_abandoned "$attempt" "$now"; then return 0; fi
  end_of "$attempt" || give_up "$attempt" "$agent" "$who"
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
  local how=lost reason=-
  if ! cd "$FLEET_ROOT/attempts/$1" 2>/dev/null; then # somebody removed it, and its tool may run
    mkdir -p "$FLEET_ROOT/attempts/$1" && cd "$FLEET_ROOT/attempts/$1" || return 0
    : >tool
  fi
  if [ -z "$3" ]; then
    [ -e claim ] || claim "sweep $BASHPID 0" || return 0
    [ -e tool ] || how=never
  fi
  kill_rest "$1" || return 0
  rm -f secret
  collect_usage
  { read -r reason _ <stop; } 2>/dev/null
  write_end "$1" "end $1 $2 $how - 0 ${reason:--}"
}

escalate() { # ATTEMPT NOW: asked to end, and still there
  local since
  { read -r _ since <"$FLEET_ROOT/attempts/$1/stop"; } 2>/dev/null || return 0
  [ $(($2 - since)) -ge "$GRACE_SECONDS" ] && kill_rest "$1"
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
