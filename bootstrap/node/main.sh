main() {
  FLEET_PROGRAM=$(readlink -f -- "$0")
  export FLEET_PROGRAM FLEET_ROOT
  case ${1:-} in
    serve)
      FLEET_ROOT=$2
      mkdir -p "$FLEET_ROOT" || exit 73
      clean_environment
      [ -n "${3:-}" ] || enter_scope
      serve "${3:-}"
      ;;
    view) view "${@:2}" ;;
    windows) open_windows "${@:2}" ;;
    log) log "${@:2}" ;;
    remove) remove "${@:2}" ;;
    *)
      echo "usage: fleet-node serve|view|log|windows|remove ROOT ..." >&2
      exit 2
      ;;
  esac
}

main "$@"
