# The worker: one process per attempt, outside tmux, outliving the link and the controller.

# Waits for a place among the starts in progress. The place is given back at the tool's first output or after 5 s.
enter_gate() {
  local slots
  slots=$(($(nproc 2>/dev/null || echo 1) * 2))
  exec 6>"$FLEET_ROOT/gate/$((10#$1 % slots))"
  flock -w 120 6 || :
}

leave_gate_at_first_output() {
  for _ in {1..100}; do
    [ -s out ] && break
    nap 0.05
  done
}

# An agent's new tool home is unpacked from a template made once per node: FOLDER NAME (the maker stands in ./make).
prepare_home() {
  local home="$FLEET_ROOT/agents/$AGENT/$1" template="$FLEET_ROOT/templates/$2.tar"
  [ -d "$home" ] && return 0
  (
    exec 5>"$FLEET_ROOT/templates/$2.lock"
    flock -w 60 5
    [ -e "$template" ] && exit 0
    FLEET_TEMPLATE="$FLEET_ROOT/templates/$2.new"
    export FLEET_TEMPLATE
    rm -rf "$FLEET_TEMPLATE"
    mkdir -p "$FLEET_TEMPLATE"
    timeout -k 2 30 sh ./make </dev/null >make.log 2>&1 5>&-
    tar -C "$FLEET_TEMPLATE" -cf "$template.new" . && mv "$template.new" "$template"
    rm -rf "$FLEET_TEMPLATE"
  )
  rm -rf "$home.new"
  mkdir -p "$home.new"
  [ -e "$template" ] && tar -C "$home.new" -xf "$template"
  mv "$home.new" "$home"
}

# Becomes the tool: only this subshell leaves the worker's control group.
run_tool() {
  enter_cgroup "$AGENT"
  if [ -e secret ]; then
    # shellcheck disable=SC1091
    . ./secret # read and removed before the tool is there: no file of ours holds a secret while a tool runs
    rm -f secret
  fi
  export FLEET_ATTEMPT="$ATTEMPT"
  umask "$LOGIN_UMASK"
  end_of "$ATTEMPT" && exit # given up meanwhile: it must not begin
  exec sh ./run
}

collect_usage() {
  [ -s collect ] || return 0
  FLEET_SINCE="$PWD/claim" timeout -k 2 20 sh ./collect </dev/null >usage 2>/dev/null
}

# A signal to the worker only interrupts its waiting, never the tool.
wait_for() {
  local code
  while :; do
    wait "$1"
    code=$?
    [ "$code" -gt 128 ] && start_time "$1" && continue
    return "$code"
  done
}

# The whole life of one attempt. Runs in a subshell of `serve`, detached.
work() {
  ATTEMPT=$1
  local gate home template input began code=- seconds=0 reason tool
  trap - TERM EXIT
  trap : HUP INT
  cd "$FLEET_ROOT/attempts/$ATTEMPT" || exit 1
  printf '' >"worker.$BASHPID"
  start_time "$BASHPID"
  claim "worker $BASHPID $REPLY" || exit 0
  read -r AGENT gate home template input <spec
  journal "start $ATTEMPT $AGENT"
  start_sweep
  [ "$gate" = 1 ] && enter_gate "$AGENT"
  [ -z "$CGROUP" ] || empty_group "$CGROUP/$AGENT" # what an earlier attempt may have left
  [ "$home" = - ] || prepare_home "$home" "$template" 6>&-
  [ "$input" = prompt ] && input=./prompt || input=/dev/null
  uptime_seconds; began=$REPLY
  stop_reason
  if [ -z "$REPLY" ]; then
    set -m
    run_tool <"$input" >out 2>err 6>&- 7>&- &
    tool=$!
    set +m
    start_time "$tool"
    fill_room tool "$tool $began $REPLY"
    if [ "$gate" = 1 ]; then
      leave_gate_at_first_output &
      exec 6>&-
    fi
    wait_for "$tool"
    code=$?
    uptime_seconds
    seconds=$((REPLY - began))
  fi
  stop_reason # now: a reason that comes after the end is none
  reason=$REPLY
  [ -n "$reason" ] || [ "$code" = 0 ] || ! is_full || reason=disk
  kill_rest "$ATTEMPT"
  [ ! -e secret ] || rm -f secret
  collect_usage
  write_end "$ATTEMPT" "end $ATTEMPT $AGENT exited $code $seconds ${reason:--}"
  start_sweep
}

# Is the disk of this folder so full (1 MiB, 100 files) that a bad end may be its fault and not the tool's?
is_full() {
  local blocks size files all=''
  read -r blocks size files all < <(stat -f -c '%a %S %d %c' . 2>/dev/null)
  [ -n "$all" ] || return 1
  [ $((blocks * size)) -lt 1048576 ] || { [ "$all" -gt 0 ] && [ "$files" -lt 100 ]; }
}

# Whoever makes this file decides the attempt's fate: its worker, or the sweep that gives it up. CONTENT. On a full disk
# its text goes into room that was taken before the start.
claim() {
  local taken text
  uptime_seconds
  text="$1 $REPLY"
  set -C
  { : >claim; } 2>/dev/null
  taken=$?
  set +C
  if [ "$taken" -eq 0 ]; then
    { printf '%s\n' "$text" >claim; } 2>/dev/null || { fill_room claim.room "$text" && mv claim.room claim; }
    return 0
  fi
  [ ! -e claim ] && fill_room claim.room "$text" && ln claim.room claim 2>/dev/null
}
