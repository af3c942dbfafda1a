# Owning processes: a control group per agent where the kernel lets us, else its process group and a mark in the
# environment. Either way nothing that an attempt began outlives it.

# CGROUP = folder of this fleet's control groups; empty when there are none to be had.
find_cgroups() {
  local mount own
  CGROUP=
  mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts 2>/dev/null)
  own=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
  while [[ $own =~ ^(.*)/miyabi-[^/]*-[0-9]+-[0-9]+(/.*)?$ ]]; do own=${BASH_REMATCH[1]}; done # an agent's own group
  [ -n "$mount" ] && [ -w "$mount$own/cgroup.procs" ] && [ -w "$mount$own" ] || return 0
  [ -e "$mount$own/cgroup.kill" ] || [ "${own:-/}" = / ] || return 0
  # Two homes may hold a fleet of one name: the folder's own number tells them apart.
  CGROUP="${mount}${own%/}/miyabi-${FLEET_ROOT##*/}-$(stat -c %d-%i "$FLEET_ROOT")"
  mkdir -p "$CGROUP" 2>/dev/null && [ -e "$CGROUP/cgroup.kill" ] || CGROUP=
}

# Moves the calling process (a subshell about to become the tool) into the agent's group. GROUP = where it is then, for
# the attempt's own record: a later server may stand in another group, and joining may fail.
enter_cgroup() {
  GROUP=
  [ -n "$CGROUP" ] || return 0
  for _ in 1 2 3; do # the sweep may take an empty group away at this very moment
    [ -d "$CGROUP/$1" ] || mkdir -p "$CGROUP/$1" 2>/dev/null
    { printf 0 >"$CGROUP/$1/cgroup.procs"; } 2>/dev/null && { GROUP="$CGROUP/$1"; return; }
  done
  return 0
}

# Groups whose attempts have ended: the kernel refuses to remove those that hold a process.
prune_groups() {
  local folder latest=''
  { read -r latest <"$FLEET_ROOT/cgroup"; } 2>/dev/null
  [ "$latest" != "$CGROUP" ] || latest=
  for folder in "$CGROUP" "$latest"; do
    set -- "$folder"/*/
    if [ -z "$folder" ] || [ $# -eq 0 ]; then continue; fi
    find "$folder" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
  done
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
kill_rest() { # ATTEMPT, and what is known of its tool
  local pid='' start='' group=''
  if [ $# -lt 2 ]; then read_lines "$1"; set -- "$1" "$TOOL"; fi
  read -r pid _ start group <<<"$2"
  if [ -n "$group" ]; then empty_group "$group" "$1"; return; fi
  is_running "$pid" "$start" && kill -KILL -- "-$pid" 2>/dev/null
  for _ in {1..50}; do
    marked_processes "$1"
    [ -n "$REPLY" ] || return 0
    # shellcheck disable=SC2086
    kill -KILL $REPLY 2>/dev/null
    nap 0.1
  done
  return 1
}

# A group and those below it. GROUP, and the attempt whose rest it is
empty_group() {
  local rest
  for _ in {1..100}; do
    rest=0
    { read -r _ rest <"$1/cgroup.events"; } 2>/dev/null # its first line is `populated 0` or `populated 1`
    [ "$rest" != 0 ] || return 0
    [ -z "${2:-}" ] || ! end_of "$2" || return 0 # what is in there by now is the agent's next attempt
    { printf 1 >"$1/cgroup.kill"; } 2>/dev/null
    nap 0.05
  done
  return 1
}

# Asks an attempt's tool to end: ATTEMPT REASON. The first reason given stays; the sweep kills what does not listen.
ask_to_end() {
  local pid='' start=''
  uptime_seconds
  {
    flock -w 1 4
    read_lines "$1"
    [ -n "$STOP" ] || put_line "$1" 2 "$2 $REPLY"
  } 2>/dev/null 4<"$FLEET_ROOT/attempts/$1" || :
  read -r pid _ start _ <<<"$TOOL"
  is_running "$pid" "$start" && kill -TERM -- "-$pid" 2>/dev/null
  return 0
}
