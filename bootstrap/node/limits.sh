# Holding what an agent takes of its machine: one that takes too much memory, or begins too many processes, ends alone.
# Where the kernel gives us no way to it, agents run without, and the greeting says so.

OLD_MEMORY=/sys/fs/cgroup/memory/miyabi # of the first version of control groups: the set-up makes us a place there

# LIMITS = new, old or nothing. A group that holds processes cannot pass its controllers on, so we move down first; who
# else stands in it keeps us from that. After find_cgroups.
find_limits() {
  local own=${CGROUP%/*}
  LIMITS='' HELD='' KILLS=0
  OLD_GROUP="$OLD_MEMORY/$EUID/${CGROUP##*/}"
  [ -n "$CGROUP" ] || return 0
  if grep -qsw memory "$own/cgroup.controllers"; then
    { [ "$HOLDS" = scope ] && mkdir -p "$own/server" && printf 0 >"$own/server/cgroup.procs" &&
      printf '+memory +pids' >"$own/cgroup.subtree_control" && printf '+memory +pids' >"$CGROUP/cgroup.subtree_control" &&
      LIMITS=new; } 2>/dev/null
  elif [ -w "${OLD_GROUP%/*}" ]; then
    mkdir -p "$OLD_GROUP" 2>/dev/null && LIMITS=old
  fi
  return 0
}

# BYTES PROCESSES, for agents to come; 0 is no limit.
set_limits() { printf '%s %s\n' "$1" "$2" >"$FLEET_ROOT/limits.new" && mv "$FLEET_ROOT/limits.new" "$FLEET_ROOT/limits"; }

# Called by an agent's worker once it stands in its group: from here on what it begins is held. AGENT
hold_agent() {
  local memory='' processes='' swap=max group
  [ -n "$LIMITS" ] || return 0
  { read -r memory processes <"$FLEET_ROOT/limits"; } 2>/dev/null
  if [[ $memory =~ ^[1-9][0-9]{0,17}$ ]]; then swap=0; else memory=; fi
  [[ $processes =~ ^[1-9][0-9]{0,8}$ ]] || processes=
  if [ "$LIMITS" = new ]; then
    HELD="$CGROUP/$1/memory.events"
    printf '%s' "${memory:-max}" >"$CGROUP/$1/memory.max"
    printf '%s' "$swap" >"$CGROUP/$1/memory.swap.max" # else it is slow for all before it ends
    printf '%s' "${processes:-max}" >"$CGROUP/$1/pids.max"
  else
    group="$OLD_GROUP/$1"
    HELD="$group/memory.oom_control"
    [ -d "$group" ] || mkdir -p "$group"
    printf '%s' -1 >"$group/memory.memsw.limit_in_bytes" # with swap; the one without may never be above it
    printf '%s' "${memory:--1}" >"$group/memory.limit_in_bytes"
    printf '%s' "${memory:--1}" >"$group/memory.memsw.limit_in_bytes"
    printf 0 >"$group/cgroup.procs"
  fi 2>/dev/null
  count_kills
  KILLS=$REPLY
}

# REPLY = how often the kernel ended something of this agent for want of memory.
count_kills() {
  local name='' count='' kills=0
  while read -r name count; do [ "$name" != oom_kill ] || kills=$count; done 2>/dev/null <"${HELD:-/dev/null}"
  REPLY=$kills
}

# Did it, since this was asked the last time?
ran_out() {
  local before=$KILLS
  count_kills
  KILLS=$REPLY
  [ "$KILLS" != "$before" ]
}
