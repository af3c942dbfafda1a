# Everything that the fleet put on this node: ended, then removed.

# ROOT, and LEDGER MACHINE of who asks: another's is then refused. Without them it goes whoever drives it.
remove() {
  local owner=''
  FLEET_ROOT=$1
  case $FLEET_ROOT in
    */.miyabi/?*) ;;
    *) echo "not a folder of ours: $FLEET_ROOT" >&2; return 1 ;;
  esac
  [ -e "$FLEET_ROOT/owner" ] || [ -d "$FLEET_ROOT/bin" ] || return 0
  { read -r owner <"$FLEET_ROOT/owner"; } 2>/dev/null
  if [ $# -ge 3 ] && [ -n "$owner" ] && [ "$owner" != "$2 $3" ]; then
    echo "it follows another ledger: ${owner//[^A-Za-z0-9 ._-]/}" >&2
    return 4
  fi
  export -n FLEET_ROOT
  find_cgroups
  windows_unit disable --now || :
  tmux_here kill-server 2>/dev/null
  if ! end_our_processes || ! end_open_attempts; then echo "a process of it does not end" >&2; return 1; fi
  remove_groups
  stop_lingering "$FLEET_ROOT"
  rm -rf "$FLEET_ROOT" 2>/dev/null || { chmod -R u+rwX "$FLEET_ROOT" && rm -rf "$FLEET_ROOT"; } || return 1
  rmdir "${FLEET_ROOT%/*}" 2>/dev/null # only when no other fleet is here
  return 0
}

# Servers, workers, the sweep, windows and makers of templates: whoever has our folder as a word or in the environment.
end_our_processes() {
  local file pids
  for _ in {1..100}; do
    pids=
    while read -r file; do
      file=${file#/proc/}
      file=${file%%/*}
      is_ours "$file" && start_time "$file" && pids="$pids $file"
    done < <(grep -lsaz -F -x -f <(printf '%s\nFLEET_ROOT=%s\n' "$FLEET_ROOT" "$FLEET_ROOT") /proc/[0-9]*/cmdline /proc/[0-9]*/environ)
    [ -n "$pids" ] || return 0
    # shellcheck disable=SC2086
    kill -KILL $pids 2>/dev/null
    nap 0.05
  done
  return 1
}

# Not everybody who names the folder: an editor opened on it, or whoever runs this, is a stranger.
is_ours() { # PID
  local words=()
  [ "$1" != "$$" ] || return 1
  { mapfile -d '' -t words <"/proc/$1/cmdline"; } 2>/dev/null
  [[ ${words[1]:-} == */fleet-node-* && ${words[2]:-} =~ ^(serve|view|log)$ ]] ||
    grep -qsaz -F -x "FLEET_ROOT=$FLEET_ROOT" "/proc/$1/environ"
}

end_open_attempts() {
  local file attempt failed=0
  for file in "$FLEET_ROOT"/open/*; do
    read -r attempt _ <"$file"
    [ "${attempt:--}" = - ] || kill_rest "$attempt" || failed=1
  done
  return "$failed"
}

# Empty by now; a scope that holds some goes by itself.
remove_groups() {
  local file group='' folders=()
  { read -r group <"$FLEET_ROOT/cgroup"; } 2>/dev/null
  is_group "$group/" && folders+=("$group")
  for file in "$FLEET_ROOT"/attempts/*-????????????; do
    group=
    { read -r _; read -r _ _ _ group; } 2>/dev/null <"$file"
    is_group "$group" && folders+=("$group")
  done
  [ -z "$CGROUP" ] || folders+=("$CGROUP"/* "$CGROUP")
  folders+=("$OLD_MEMORY/$EUID/miyabi-${FLEET_ROOT##*/}-$(stat -c %d-%i "$FLEET_ROOT")"*)
  [ "${#folders[@]}" -eq 0 ] || find "${folders[@]}" -depth -type d -exec rmdir {} + 2>/dev/null
  for group in "${folders[@]}"; do rmdir "${group%/*}" 2>/dev/null; done
}

