# The sweep: one process per fleet and node, there as long as anything runs or a controller listens. It keeps time
# limits, notices silence and dead workers, bounds output and writes the report. No connection is needed for it.

LOOK_SECONDS=4            # between two looks at attempts of which nothing is due
SOON_SECONDS=2            # where something is under way

# Begins it where none runs. Whoever notices does it: the server, and every worker that has nothing more to do.
start_sweep() {
  local pid='' start=''
  { read -r pid start <"$FLEET_ROOT/sweep.pid"; } 2>/dev/null && is_running "$pid" "$start" && return 0
  # In no group of whoever noticed, neither their processes' nor their agent's: it would end with what is left of them there.
  (
    [ -z "${GROUP:-}" ] || { outside_of "$GROUP"; printf 0 >"$REPLY/cgroup.procs"; }
    [ "$LIMITS" != old ] || printf 0 >"$OLD_GROUP/cgroup.procs"
    set -m
    { cd "$FLEET_ROOT" && sweep_forever; } </dev/null >/dev/null 2>"$FLEET_ROOT/sweep.log" 6>&- 7>&- 8>&- &
  ) 2>/dev/null
}

sweep_forever() {
  trap - TERM EXIT
  trap : HUP INT
  exec 8>"$FLEET_ROOT/sweep.lock"
  flock -n 8 || exit 0
  start_time "$BASHPID"
  printf '%-60s\n' "$BASHPID $REPLY" 1<>"$FLEET_ROOT/sweep.pid"
  declare -gA HEARD=() BYTES=() UNCLAIMED=() ASIDE=() SEEN=()
  WORKERS=()
  DUE=0
  PRUNED=0
  MARK=0
  local idle=0
  while [ -d "$FLEET_ROOT" ] && [ "$idle" -lt 15 ]; do
    uptime_seconds
    if [ "$REPLY" -ge "$DUE" ] || ! is_as_before; then
      sweep_once "$REPLY"
      # Ends that are not acknowledged keep nothing alive: the folders hold them.
      if [ "$RUNNING" -eq 0 ] && ! is_listening; then idle=$((idle + 1)); else idle=0; fi
    fi
    nap 1 # a tool whose worker died must not go on for long: nobody would see its end
  done
}

# Since the last look no attempt began, and no worker died.
is_as_before() {
  local file
  for file in "$FLEET_ROOT"/open/*; do [ "$FLEET_ROOT/looked.$MARK" -nt "$file" ] || return 1; done
  are_there "${WORKERS[@]}"
}

# PID...: by their numbers alone, which costs a tenth; that they are still the same is looked at now and then.
are_there() {
  local pid
  for pid; do kill -0 "$pid" || return 1; done 2>/dev/null
}

is_listening() {
  local pid='' start=''
  { read -r pid start <"$FLEET_ROOT/serve.pid"; } 2>/dev/null && is_running "$pid" "$start"
}

sweep_once() { # NOW
  local file attempt agent limit silence ids=() agents=() thorough=0 last="$FLEET_ROOT/looked.$MARK"
  WORKERS=()
  DUE=$(($1 + LOOK_SECONDS))
  MARK=$((1 - MARK))
  { : >"$FLEET_ROOT/looked.$MARK"; } 2>/dev/null
  [ $(($1 - PRUNED)) -lt "$SWEEP_SECONDS" ] || thorough=1
  take_back_asides
  for file in "$FLEET_ROOT"/open/*; do
    { read -r attempt agent limit silence <"$file"; } 2>/dev/null
    [ "${attempt:--}" != - ] || continue
    look_at "$attempt" "$last"
    [ -z "$END" ] || continue
    ids+=("$attempt")
    agents+=("$agent")
    sweep_attempt "$attempt" "$1" "$agent" "$limit" "$silence"
  done
  RUNNING=${#ids[@]}
  measure "$1" "$last" "${ids[@]}"
  [ "$thorough" = 0 ] || { PRUNED=$1; prune_groups; forget_ended "${ids[@]}"; }
  is_listening && write_report "$1"
}

# NOW WHEN: the next look is no later than that; what is overdue already is looked at soon.
look_by() {
  local at=$2
  [ "$at" -gt "$1" ] || at=$(($1 + SOON_SECONDS))
  [ "$at" -ge "$DUE" ] || DUE=$at
}

# ATTEMPT MARK: as read_lines, but from memory where its file is as it was when it was read last: most are, most of the time.
look_at() {
  local file="$FLEET_ROOT/attempts/$1"
  if [ -n "${SEEN[$1]:-}" ] && [ -e "$file" ] && [ "$2" -nt "$file" ]; then
    STOP='' END='' TOOL=${SEEN[$1]%%$'\n'*} CLAIMED=${SEEN[$1]#*$'\n'}
    return
  fi
  unset "SEEN[$1]"
  read_lines "$1" || return
  # One that was asked to end is looked at anew each time.
  [ -n "$STOP" ] || [ -n "$END" ] || [ -z "$CLAIMED" ] || SEEN[$1]=$TOOL$'\n'$CLAIMED
}

# ATTEMPT...: what was noted of others is of no use any more.
forget_ended() {
  local attempt
  local -A open=()
  for attempt; do open[$attempt]=1; done
  for attempt in "${!BYTES[@]}" "${!UNCLAIMED[@]}" "${!SEEN[@]}"; do
    [ -n "${open[$attempt]:-}" ] || unset "BYTES[$attempt]" "HEARD[$attempt]" "UNCLAIMED[$attempt]" "SEEN[$attempt]"
  done
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

# Silence is "the output was not written to". Which ones were since the last look bash can see by itself, from marks whose
# times are those of the looks; only their sizes take a process. NOW MARK ATTEMPT...
measure() {
  local now=$1 last=$2 attempt changed=() size path
  shift 2
  for attempt; do
    path="$FLEET_ROOT/attempts/$attempt"
    [ -n "${BYTES[$attempt]:-}" ] && [ "$last" -nt "$path.out" ] && [ "$last" -nt "$path.err" ] || changed+=("$attempt.out" "$attempt.err")
  done
  [ "${#changed[@]}" -gt 0 ] || return 0
  look_by "$now" "$now" # what speaks may go on to flood the disk
  while read -r size path; do
    attempt=${path%.*}
    if [ "${path##*.}" = out ] && [ "${BYTES[$attempt]:--1}" != "$size" ]; then
      BYTES[$attempt]=$size
      HEARD[$attempt]=$now
    fi
    if [ "$size" -gt "$OUT_BYTES_MAX" ]; then
      fallocate -p -o 1048576 -l $((size - OUT_BYTES_MAX / 2 - 1048576)) "$FLEET_ROOT/attempts/$path" 2>/dev/null || :
    fi
  done < <(cd "$FLEET_ROOT/attempts" && stat -c '%s %n' "${changed[@]}" 2>/dev/null)
}

sweep_attempt() { # ATTEMPT NOW AGENT LIMIT SILENCE, after read_lines
  local attempt=$1 now=$2 agent=$3 limit=$4 silence=$5 who pid start began
  who=${CLAIMED%% *} pid=${CLAIMED#* } start=${CLAIMED##* }
  pid=${pid%% *}
  if [ "$who" = worker ] && are_there "$pid" && { [ "$thorough" = 0 ] || is_running "$pid" "$start"; }; then
    WORKERS+=("$pid")
    began=${TOOL#* }
    began=${began%% *}
    if [ -z "$began" ]; then look_by "$now" "$now"; return 0; fi
    [ -z "$STOP" ] || escalate "$now" "$began"
    keep_limit "$attempt" "$now" "$limit" "$began" timeout
    keep_limit "$attempt" "$now" "$silence" "${HEARD[$attempt]:-$now}" silent
    return 0
  fi
  look_by "$now" "$now"
  if [ -z "$who" ] && ! is_abandoned "$attempt" "$now"; then return 0; fi
  end_of "$attempt" || do_aside "$attempt" give_up "$attempt" "$agent" "$who"
}

keep_limit() { # ATTEMPT NOW SECONDS SINCE REASON
  [ "$3" -gt 0 ] || return 0
  look_by "$2" $(($4 + $3))
  [ $(($2 - $4)) -lt "$3" ] || ask_to_end "$1" "$5"
}

# Nobody said yet who claimed it: given time to.
is_abandoned() { # ATTEMPT NOW
  [ -n "${UNCLAIMED[$1]:-}" ] || UNCLAIMED[$1]=$2
  [ $(($2 - ${UNCLAIMED[$1]})) -ge $((2 * SWEEP_SECONDS)) ]
}

# The worker is dead and nobody saw the tool's end: what still runs is killed first, then the end is written.
give_up() { # ATTEMPT AGENT WHO
  local how=lost
  cd "$FLEET_ROOT/attempts" || return 0
  if [ -z "$3" ]; then
    # Where somebody removed its file its tool may run.
    if ! read_lines "$1"; then write_lines - >"$1"; elif [ -z "$TOOL" ]; then how=never; fi
    claim "$1" "sweep $BASHPID" || return 0
  fi
  # Its worker may have died before it could say whom it had begun.
  [ -n "$TOOL" ] || [ -z "$CGROUP" ] || empty_group "$CGROUP/$2" "$1" ''
  kill_rest "$1" "$TOOL" || return 0
  collect_usage "$1"
  read_lines "$1"
  STOP=${STOP%% *}
  write_end "$1" "$2" "$how" - 0 "${STOP:--}"
}

escalate() { # NOW BEGAN: asked to end, and still there; after read_lines
  local since=${STOP##* }
  look_by "$1" $((since + GRACE_SECONDS))
  if [ $(($1 - since)) -ge "$GRACE_SECONDS" ]; then
    end_tool KILL # and no more than the tool: its worker looks after what that leaves
  elif [ "$2" -ge "$since" ]; then
    end_tool TERM # whoever asked may have done so before it was known which one to ask
  fi
}

# One file, written at once; its last line says that it is whole. NOW; the rest is what the sweep looked at
write_report() {
  local load available=0 at line text
  read -r load _ </proc/loadavg
  while read -r at line _; do
    [ "$at" != MemAvailable: ] || { available=$line; break; }
  done </proc/meminfo
  text="node $1 $load $available"
  for at in "${!ids[@]}"; do
    line=${ids[at]}
    text+=$'\n'"attempt $line ${agents[at]} ${BYTES[$line]:-0} $(($1 - ${HEARD[$line]:-$1}))"
  done
  printf '%s\nwhole\n' "$text" >"$FLEET_ROOT/report"
}
