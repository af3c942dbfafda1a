# Owning processes: a control group per agent where the kernel lets us, else its process group and a mark in the
# environment. Either way nothing that an attempt began outlives it.

# CGROUP = folder of this fleet's control groups; empty when there are none to be had.
find_cgroups() {
  local mount own
  CGROUP=
  mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts 2>/dev/null)
  own=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
  own=${own%%/miyabi-*}
  [ -n "$mount" ] && [ -w "$mount$own/cgroup.procs" ] && [ -w "$mount$own" ] || return 0
  [ -e "$mount$own/cgroup.kill" ] || [ "$own" = / ] || return 0
  # Two homes may hold a fleet of one name: the folder's own number tells them apart.
  CGROUP="${mount}${own%/}/miyabi-${FLEET_ROOT##*/}-$(stat -c %d-%i "$FLEET_ROOT")"
  mkdir -p "$CGROUP" 2>/dev/null && [ -e "$CGROUP/cgroup.kill" ] || CGROUP=
}

# Moves the calling process (a subshell about to become the tool) into the agent's group.
enter_cgroup() {
  [ -n "$CGROUP" ] || return 0
  [ -d "$CGROUP/$1" ] || mkdir -p "$CGROUP/$1" 2>/dev/null
  # Said by the attempt itself: a later server may stand in another group, and joining may fail.
  { printf 0 >"$CGROUP/$1/cgroup.procs" && printf '%s\n' "$CGROUP/$1" >cgroup; } 2>/dev/null || :
}

# Process ids that carry the attempt's mark; the slow way, for nodes without control groups.
marked_processes() {
  local file pids=
  while read -r file; do
    file=${file#/proc/}
    pids="$pids ${file%/environ}"
  done < <(grep -lsaz -F -x "FLEET_ATTEMPT=$1" /proc/[0-9]*/environ)
  REPLY=$pids
}

# Kills whatever is left of an attempt, by its control group or its mark. Fails when something still runs after 5 s.
kill_rest() { # ATTEMPT
  local group='' pid start
  { read -r group <"$FLEET_ROOT/attempts/$1/cgroup"; } 2>/dev/null
  if [ -n "$group" ]; then empty_group "$group"; return; fi
  { read -r pid _ start <"$FLEET_ROOT/attempts/$1/tool"; } 2>/dev/null && is_running "$pid" "$start" &&
    kill -KILL -- "-$pid" 2>/dev/null
  for _ in {1..50}; do
    marked_processes "$1"
    [ -n "$REPLY" ] || return 0
    # shellcheck disable=SC2086
    kill -KILL $REPLY 2>/dev/null
    nap 0.1
  done
  return 1
}

empty_group() {
  local rest
  for _ in {1..100}; do
    rest=''
    { read -r rest <"$1/cgroup.procs"; } 2>/dev/null
    [ -n "$rest" ] || return 0
    { printf 1 >"$1/cgroup.kill"; } 2>/dev/null
    nap 0.05
  done
  return 1
}

# Asks an attempt's tool to end: ATTEMPT REASON. The first reason given stays; the sweep kills what does not listen.
ask_to_end() {
  local folder="$FLEET_ROOT/attempts/$1" pid start
  uptime_seconds
  { (set -C; printf '%s %s\n' "$2" "$REPLY" >"$folder/stop"); } 2>/dev/null || :
  { read -r pid _ start <"$folder/tool"; } 2>/dev/null && is_running "$pid" "$start" && kill -TERM -- "-$pid" 2>/dev/null
  return 0
}
