# Everything that the fleet put on this node: ended, then removed. ROOT must be one of ours.
remove() {
  local file attempt agent
  FLEET_ROOT=$1
  case $FLEET_ROOT in
    */.miyabi/?*) [ -e "$FLEET_ROOT/owner" ] || return 0 ;;
    *) echo "not a folder of ours: $FLEET_ROOT" >&2; return 1 ;;
  esac
  find_cgroups
  for file in serve sweep; do
    { read -r attempt agent <"$FLEET_ROOT/$file.pid"; } 2>/dev/null || continue
    is_running "$attempt" "$agent" && kill -KILL "$attempt" 2>/dev/null
  done
  for file in "$FLEET_ROOT"/open/*; do
    attempt=${file##*/}
    read -r agent _ <"$file"
    end_of "$attempt" && continue
    { read -r _ file _ <"$FLEET_ROOT/attempts/$attempt/claim"; } 2>/dev/null && kill -KILL "$file" 2>/dev/null
    kill_rest "$attempt" "$agent"
  done
  tmux_here kill-server 2>/dev/null
  rm -rf "$FLEET_ROOT"
  rmdir "${FLEET_ROOT%/*}" 2>/dev/null # only when no other fleet is here
  [ -n "$CGROUP" ] && rmdir "$CGROUP"/* "$CGROUP" 2>/dev/null
  return 0
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
