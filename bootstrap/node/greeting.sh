# The greeting: who may drive this node, and what of it is true now. Nothing is done for anybody before.

NEEDED='awk base64 cat cp cut find flock grep head id ln mkdir mkfifo mv nproc readlink rm rmdir sed sh sha256sum sleep stat tail timeout tr'

# ID LEDGER MACHINE EPOCH TAKEOVER: takes the node: one owner, one live connection, a higher epoch.
hello() {
  local id=$1 owner="$2 $3" former='' lack
  lack=$(list_missing)
  [ -z "$lack" ] || { refuse "$id" prerequisite "not on this machine: $lack"; return 1; }
  # Two greetings at once: one after the other, and the later one is the only one.
  { mkdir -p "$FLEET_ROOT"/{open,attempts,agents,gate,templates} && exec 9>"$FLEET_ROOT/hello.lock"; } 2>/dev/null ||
    { refuse "$id" disk "its folder cannot be written: no room, or read-only"; return 1; }
  flock -w 10 9 || { exec 9>&-; refuse "$id" busy "another greeting does not end"; return 1; }
  { read -r former <"$FLEET_ROOT/owner"; } 2>/dev/null
  if [ -n "$former" ] && [ "$former" != "$owner" ] && [ "$5" != 1 ]; then
    exec 9>&-
    refuse "$id" owned "${former//[^A-Za-z0-9 ._-]/}"
    return 1
  fi
  take_node "$owner" "$4" || { lack=$REPLY; exec 9>&-; refuse "$id" "${lack%% *}" "${lack#* }"; return 1; }
  exec 9>&-
  GREETED=1
  find_cgroups
  find_limits
  { printf '%s\n' "$CGROUP" >"$FLEET_ROOT/cgroup"; } 2>/dev/null
  BOOT=$(</proc/sys/kernel/random/boot_id)
  end_former_boots "$BOOT"
  end_foreign_sweep
  start_sweep
  cut_journal
  journal_size # before the folders are told of: what is written meanwhile is then told twice, not never
  lack=$REPLY
  tell_folders all
  prune_programs
  tell_node "$id"
  start_reporter "$lack"
  prune_attempts # a former server may not have lived long enough to
}

# OWNER EPOCH: from here on it is ours alone. REPLY says why not.
take_node() {
  local epoch=0 former=''
  REPLY='disk no room to write who drives it'
  { read -r former <"$FLEET_ROOT/owner"; } 2>/dev/null
  if [ "$former" != "$1" ]; then
    { printf '%s\n' "$1" >"$FLEET_ROOT/owner.new" && mv "$FLEET_ROOT/owner.new" "$FLEET_ROOT/owner"; } 2>/dev/null || return 1
  fi
  { read -r epoch <"$FLEET_ROOT/epoch"; } 2>/dev/null
  [[ $epoch =~ ^[0-9]{1,15}$ ]] || epoch=0
  EPOCH=$(((10#$epoch > $2 ? 10#$epoch : $2) + 1))
  { printf '%s\n' "$EPOCH" 1<>"$FLEET_ROOT/epoch"; } 2>/dev/null || return 1 # in place: it needs no room anew
  end_former_server || { REPLY='busy a former server does not end'; return 1; }
  connection_of "$BASHPID"
  set -- "$REPLY"
  start_time "$BASHPID"
  { record_server "$BASHPID $REPLY" "$1"; } 2>/dev/null || { REPLY='disk no room to write who drives it'; return 1; }
}

# One that another version of this program began would go on by that one's rules.
end_foreign_sweep() {
  local pid='' start=''
  { read -r pid start <"$FLEET_ROOT/sweep.pid"; } 2>/dev/null
  is_running "$pid" "$start" && ! grep -qsaF -- "${FLEET_PROGRAM##*/}" "/proc/$pid/cmdline" && kill -KILL "$pid" 2>/dev/null
  return 0
}

tell_node() { # ID
  local text=${FLEET_ROOT//\\/\\\\}
  printf 'A %s {"ok":true,"protocol":%s,"epoch":%s,"boot":"%s","root":"%s","vcpu":%s,"memoryKiB":%s,"tmux":"%s","jq":%s,"cgroup":%s,"limits":%s,"holds":"%s","folder":"%s"}\n' \
    "$1" "$PROTOCOL" "$EPOCH" "$BOOT" "${text//\"/\\\"}" "$(nproc)" "$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)" \
    "$(timeout -k 1 3 tmux -V 2>/dev/null | tr -cd '0-9.')" "$(is_there jq)" "$([ -n "$CGROUP" ] && echo true || echo false)" "$([ -n "$LIMITS" ] && echo true || echo false)" "$HOLDS" "$(stat -c %d-%i "$FLEET_ROOT")"
}

is_there() { if command -v "$1" >/dev/null 2>&1; then echo true; else echo false; fi; }

list_missing() {
  local name missing=()
  for name in $NEEDED; do command -v "$name" >/dev/null 2>&1 || missing+=("$name"); done
  [ -r /proc/uptime ] || missing+=(/proc/uptime)
  [ $((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1])) -ge 404 ] || missing+=('bash 4.4')
  printf '%s' "${missing[*]}"
}

# Whatever ran before a reboot does not run any more: said once, before anything is planned.
end_former_boots() { # BOOT
  local former='' file attempt agent lost=() begun=0
  { read -r former <"$FLEET_ROOT/boot"; } 2>/dev/null
  if [ -n "$former" ] && [ "$former" != "$1" ]; then
    for file in "$FLEET_ROOT"/open/*; do
      read -r attempt agent _ <"$file"
      [ "${attempt:--}" = - ] || end_of "$attempt" || lost+=("$attempt $agent")
    done
    # What their tools wrote down is still there, and tells whether there is a conversation to go on with.
    for attempt in "${lost[@]% *}"; do
      (cd "$FLEET_ROOT/attempts" && collect_usage "$attempt") &
      begun=$((begun + 1))
      [ $((begun % 16)) -ne 0 ] || wait
    done
    wait
    for attempt in "${lost[@]}"; do write_end "${attempt% *}" "${attempt#* }" lost - 0 -; done
  fi
  [ "$former" = "$1" ] || { printf '%s\n' "$1" >"$FLEET_ROOT/boot.new" && mv "$FLEET_ROOT/boot.new" "$FLEET_ROOT/boot"; }
}

# What is true by the folders: one line for each attempt not acknowledged yet. Before anything else is said, of all of
# them; later only of those that ended.
tell_folders() { # WHICH
  local file attempt agent
  for file in "$FLEET_ROOT"/open/*; do
    read -r attempt agent _ <"$file"
    [ "${attempt:--}" != - ] || continue
    if end_of "$attempt"; then printf 'F %s\n' "$REPLY"; elif [ "$1" = all ]; then
      age_of "$attempt"
      printf 'F open %s %s %s\n' "$attempt" "$agent" "$REPLY"
    fi
  done
}

# REPLY = how many seconds ago the attempt's tool began; 0 when it has not.
age_of() {
  local began=''
  { read -r _; read -r _ began _; } 2>/dev/null <"$FLEET_ROOT/attempts/$1"
  uptime_seconds
  if [[ $began =~ ^[0-9]{1,12}$ ]] && [ "$began" -le "$REPLY" ]; then REPLY=$((REPLY - began)); else REPLY=0; fi
}

# Programs of other versions that nobody runs any more, and those that were cut short on the way here.
prune_programs() {
  local file pid others=()
  for file in "$FLEET_ROOT"/bin/fleet-node-*; do [ "$file" -ef "$FLEET_PROGRAM" ] || others+=("$file"); done
  [ "${#others[@]}" -gt 0 ] || return 0
  # Windows begin the program anew that their server knows.
  [ ! -S "$FLEET_ROOT/tmux.sock" ] || tmux_here set-environment -g FLEET_PROGRAM "$FLEET_PROGRAM" 2>/dev/null
  for file in "${others[@]}"; do
    pid=${file##*.}
    if [[ ${file##*/} == *.* && $pid =~ ^[0-9]+$ ]]; then
      start_time "$pid" || rm -f "$file"
    else
      grep -qsaF -f <(printf '%s\n' "${file##*/}") /proc/[0-9]*/cmdline || rm -f "$file"
    fi
  done
}
