# The steps in their order, and what is said at the end.

STEPS=(packages user linger windows limits memory sysctl sshd journald logrotate swap node codex claude ssm)

usage() {
  cat <<'TEXT'
Sets this machine up for a fleet of agents. Safe to run again, and beside agents at work.

  --dry-run    look only, and say what would be done
  --json       a line of JSON for each step
  --user NAME  whom agents work as (default: fleet)
TEXT
}

main() {
  DRY=0 JSON=0 FLEET_USER=${FLEET_USER:-fleet} REGISTRY=${REGISTRY:-https://registry.npmjs.org}
  # shellcheck source=/dev/null
  [ ! -r "$SETUP_CONF/setup.env" ] || . "$SETUP_CONF/setup.env"
  while [ $# -gt 0 ]; do
    case $1 in
      --dry-run) DRY=1 ;;
      --json) JSON=1 ;;
      --user) FLEET_USER=${2:?} && shift ;;
      --help) usage; return ;;
      *) usage >&2; return 2 ;;
    esac
    shift
  done
  [ "$EUID" -eq 0 ] || { printf '%s\n' 'node-init: needs root: run it with sudo' >&2; return 2; }
  set_up
}

set_up() {
  local step
  TOLD=() FAILED=0 CHANGED=0 LOG=/dev/null
  umask 022
  if [ "$DRY" = 0 ]; then
    mkdir -p "$SETUP_STATE" "$SETUP_HOME" || return 1
    LOG=/var/log/miyabi-setup.log
    # Two at once would meet in the middle of each.
    exec 9>"$SETUP_STATE/setup.lock"
    flock -w 600 9 || { printf '%s\n' 'node-init: another one has been running for ten minutes' >&2; return 1; }
  fi
  for step in "${STEPS[@]}"; do run_step "$step"; done
  [ "$DRY" = 1 ] || report_ready
  if [ "$JSON" = 1 ]; then printf '{"changed":%s,"failed":%s}\n' "$CHANGED" "$FAILED"; else printf '%s\n' "$CHANGED changed, $FAILED failed"; fi
  [ "$FAILED" -eq 0 ]
}

# What the doctor and whoever waits for the node read: whole or not there.
report_ready() {
  local IFS=,
  printf '{"version":1,"at":"%s","program":"%s","boot":"%s","ready":%s,"changed":%s,"steps":[%s]}\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
    "$(sha256sum "$0" | head -c 12)"     "$(cat /proc/sys/kernel/random/boot_id)" "$([ "$FAILED" -eq 0 ] && echo true || echo false)" "$CHANGED" "${TOLD[*]}" |
    put_file "$SETUP_STATE/ready.json" 644
}
