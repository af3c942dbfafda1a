# Everything that the fleet put on this node: ended, then removed. ROOT must be one of ours.
remove() {
  local file attempt agent
  FLEET_ROOT=$1
  case $FLEET_ROOT in
    */.miyabi/?*) [ -e "$FLEET_ROOT/owner" ] || return 0 ;;
    *) echo "not a folder of ours: $FLEET_ROOT" >&2; return 1 ;;
  esac
  export -n FLEET_ROOT
  find_cgroups
  tmux_here kill-server 2>/dev/null
  end_our_processes
  for file in "$FLEET_ROOT"/open/*; do
    attempt=${file##*/}
    read -r agent _ <"$file"
    kill_rest "$attempt"
  done
  rm -rf "$FLEET_ROOT" || return 1
  rmdir "${FLEET_ROOT%/*}" 2>/dev/null # only when no other fleet is here
  [ -n "$CGROUP" ] && rmdir "$CGROUP"/* "$CGROUP" 2>/dev/null
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
      is_ours "$file" && pids="$pids $file"
    done < <(grep -lsaz -F -x -f <(printf '%s\nFLEET_ROOT=%s\n' "$FLEET_ROOT" "$FLEET_ROOT") /proc/[0-9]*/cmdline /proc/[0-9]*/environ)
    [ -n "$pids" ] || return 0
    # shellcheck disable=SC2086
    kill -KILL $pids 2>/dev/null
    nap 0.05
  done
}

# Not everybody who names the folder: an editor opened on it, or whoever runs this, is a stranger.
is_ours() { # PID
  local words=()
  [ "$1" != "$$" ] || return 1
  { mapfile -d '' -t words <"/proc/$1/cmdline"; } 2>/dev/null
  [[ ${words[1]:-} == */fleet-node-* && ${words[2]:-} =~ ^(serve|view|log)$ ]] ||
    grep -qsaz -F -x "FLEET_ROOT=$FLEET_ROOT" "/proc/$1/environ"
}

main() {
  FLEET_PROGRAM=$(readlink -f -- "$0")
  export FLEET_PROGRAM FLEET_ROOT
  case ${1:-} in
    serve)
      FLEET_ROOT=$2
      mkdir -p "$FLEET_ROOT" || exit 73
      clean_environment
      serve
      ;;
    view) view "${@:2}" ;;
    log) log "${@:2}" ;;
    remove) remove "$2" ;;
    *)
      echo "usage: fleet-node serve|view|log|remove ROOT ..." >&2
      exit 2
      ;;
  esac
}

main "$@"
