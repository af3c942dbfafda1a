# Owning processes: a control group per agent where the kernel lets us, else its process group and a mark in the
# environment. Either way nothing that an attempt began outlives it.

# CGROUP = folder of this fleet's control groups; empty when there are none to be had.
find_cgroups() {
  local mount own
  CGROUP=
  mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts 2>/dev/null)
  own=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
  own=${own%/server} # where we put ourselves, to be able to limit agents
  while [[ $own =~ ^(.*)/miyabi-[^/]*-[0-9]+-[0-9]+(/.*)?$ ]]; do own=${BASH_REMATCH[1]}; done # an agent's own group
  [ -n "$mount" ] && [ -w "$mount$own/cgroup.procs" ] && [ -w "$mount$own" ] || return 0
  [ -e "$mount$own/cgroup.kill" ] || [ "${own:-/}" = / ] || return 0
  # Two homes may hold a fleet of one name: the folder's own number tells them apart.
  CGROUP="${mount}${own%/}/miyabi-${FLEET_ROOT##*/}-$(stat -c %d-%i "$FLEET_ROOT")"
  # The path has room in the line of a tool, and what is written there is known again.
  is_group "$CGROUP/" && [ "${#CGROUP}" -lt $((LINE_CHARS - 50)) ] &&
    mkdir -p "$CGROUP" 2>/dev/null && [ -e "$CGROUP/cgroup.kill" ] || CGROUP=
}

# Moves the calling worker into its agent's group: whatever it begins is there from its first moment. (To move each tool
# would hold up whoever begins a process anywhere on the machine.) GROUP = where it is then, for the attempt's own record:
# a later server may stand in another group, and joining may fail.
enter_cgroup() {
  GROUP=
  [ -n "$CGROUP" ] || return 0
  for _ in 1 2 3; do # the sweep may take an empty group away at this very moment
    [ -d "$CGROUP/$1" ] || mkdir -p "$CGROUP/$1" 2>/dev/null
    { printf 0 >"$CGROUP/$1/cgroup.procs"; } 2>/dev/null && { GROUP="$CGROUP/$1"; hold_agent "$1"; return; }
  done
  return 0
}

# Groups whose attempts have ended: the kernel refuses to remove those that hold a process.
prune_groups() {
  local folder latest=''
  { read -r latest <"$FLEET_ROOT/cgroup"; } 2>/dev/null
  [ "$latest" != "$CGROUP" ] || latest=
  for folder in "$CGROUP" "$latest" "${LIMITS:+$OLD_GROUP}"; do
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
kill_rest() { # ATTEMPT, what is known of its tool, and its worker where that calls
  if [ $# -lt 2 ]; then read_lines "$1"; set -- "$1" "$TOOL"; fi
  split_tool "$2"
  if [ "$TOOL_GROUP" != - ]; then empty_group "$TOOL_GROUP" "$1" "${3:-}"; return; fi
  is_running "$TOOL_PID" "$TOOL_START" && kill -KILL -- "-$TOOL_PID" 2>/dev/null
  for _ in {1..50}; do
    marked_processes "$1"
    [ -n "$REPLY" ] || return 0
    # shellcheck disable=SC2086
    kill -KILL $REPLY 2>/dev/null
    nap 0.1
  done
  return 1
}

# TOOL_PID TOOL_START TOOL_GROUP = of a tool's line, PID BEGAN START GROUP. No here-string: bash reads that byte by byte.
split_tool() {
  TOOL_PID=${1%% *} TOOL_GROUP=${1##* } TOOL_START=${1% *}
  TOOL_START=${TOOL_START##* }
  is_group "$TOOL_GROUP" || TOOL_GROUP=-
}

# REPLY = where a process may stand that is not to end with an agent's group. GROUP
outside_of() {
  REPLY=${1%/*/*}/server # a group that passes limits on to those below it holds no process itself
  [ -d "$REPLY" ] || REPLY=${1%/*}
}

# What an agent may have written in its place is nothing to write into, nor to remove.
is_group() { [[ $1 == /sys/fs/cgroup/* && $1 == */miyabi-*/* && $1 != *..* ]]; }

# PIDS = who is in a group. Is that nobody but this process, and nobody in one below it? GROUP PID, which may be empty
holds_only() {
  local below=0
  PIDS=()
  { mapfile -t PIDS <"$1/cgroup.procs" && read -r _ below <"$1/cgroup.stat"; } 2>/dev/null || [ ! -d "$1" ] || return 1
  [ "${PIDS[*]}" = "$2" ] && [ "$below" = 0 ]
}

# GROUP ATTEMPT WORKER: ends what is left of the attempt in a group and those below it, but not its worker, if that lives.
empty_group() {
  local round
  for round in {1..100}; do
    # What is in there after the end is the agent's next attempt.
    if holds_only "$1" "$3" || holds_only "$1" '' || end_of "$2"; then return 0; fi
    kill_group "$1" "$3" "$round"
    nap 0.05
  done
  return 1
}

# GROUP WORKER ROUND, after holds_only. One by one while a worker lives in it: the kernel ends a group whole. Where that
# does not help, because they multiply or hide in groups of their own, the worker is moved out of it for a moment.
kill_group() {
  local pid
  if [ -n "$2" ] && [ "${PIDS[*]}" != "$2" ] && [ "$3" -lt 10 ]; then
    for pid in "${PIDS[@]}"; do [ "$pid" = "$2" ] || kill -KILL "$pid"; done
  else
    outside_of "$1"
    [ -z "$2" ] || printf '%s' "$2" >"$REPLY/cgroup.procs"
    printf 1 >"$1/cgroup.kill"
    [ -z "$2" ] || printf '%s' "$2" >"$1/cgroup.procs"
    find "$1" -mindepth 1 -depth -type d -exec rmdir {} +
  fi 2>/dev/null
}

# Asks an attempt's tool to end: ATTEMPT REASON. The first reason given stays; the sweep kills what does not listen.
ask_to_end() {
  uptime_seconds
  {
    flock -w 1 4
    read_lines "$1"
    [ -n "$STOP" ] || put_line "$1" 2 "$2 $REPLY"
  } 2>/dev/null 4<"$FLEET_ROOT/attempts/$1" || :
  end_tool TERM
}

end_tool() { # SIGNAL; after read_lines
  split_tool "$TOOL"
  is_running "$TOOL_PID" "$TOOL_START" || return 0
  kill "-$1" -- "-$TOOL_PID" 2>/dev/null
  [ "$1" != KILL ] || kill -KILL "$TOOL_PID" 2>/dev/null # it may have moved to another group
  return 0
}
