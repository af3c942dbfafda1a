# Where the server, what it begins and the windows live. Where systemd runs, the scope of a login is not ours: it is
# emptied when the login ends, if the machine is set so. Then they live in scopes of their own.

SCOPE_TRIES_MAX=3

# SCOPE = words before a command that put it into a scope of its own; fails where no manager lasts longer than a login.
find_manager() {
  SCOPE=()
  [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1 || return 1
  SCOPE=(systemd-run --scope --quiet --collect --no-ask-password)
  if [ "$EUID" -ne 0 ]; then
    [ -O "${XDG_RUNTIME_DIR:-/}" ] || XDG_RUNTIME_DIR=/run/user/$EUID
    export XDG_RUNTIME_DIR
    { [ -S "$XDG_RUNTIME_DIR/systemd/private" ] && outlasts_logins; } || { SCOPE=(); return 1; }
    SCOPE+=(--user)
  fi
  # Delegated, so that attempts get groups below; the slice's limit of tasks stays, a scope's own is for one service.
  SCOPE+=(-p Delegate=yes -p TasksMax=infinity)
}

# A user's manager and all its scopes end with the last login, unless the user lingers. When we turn that on, a mark says
# so from before it is done: whoever removes the fleet turns it off.
outlasts_logins() {
  local user mark="$FLEET_ROOT/linger"
  user=$(id -un) || return 1
  [ ! -e "/var/lib/systemd/linger/$user" ] || return 0
  { : >"$mark"; } 2>/dev/null || return 1
  timeout -k 1 5 loginctl --no-ask-password enable-linger "$user" </dev/null >/dev/null 2>&1 || :
  [ -e "/var/lib/systemd/linger/$user" ] || { rm -f "$mark"; return 1; }
}

# Moves this process into a scope of its own by becoming itself anew; returns where that cannot be had. ROOT/scope holds
# the boot and how often in it that was tried since it last worked.
enter_scope() {
  local boot='' tried='' count=''
  find_manager || return 0
  { read -r boot </proc/sys/kernel/random/boot_id; read -r tried count <"$FLEET_ROOT/scope"; } 2>/dev/null
  [[ $tried == "$boot" && $count =~ ^[0-9]$ ]] || count=
  # systemd-run becomes the command, so nothing can limit its time: it is tried on nothing first, unless it is known to work.
  if [ "$count" != 0 ]; then
    [ "${count:-0}" -lt "$SCOPE_TRIES_MAX" ] || return 0
    timeout -k 1 5 "${SCOPE[@]}" true </dev/null >/dev/null 2>&1 || return 0
  fi
  record_scope "$boot" $((${count:-0} + 1))
  name_unit server
  umask "$LOGIN_UMASK"
  exec "${SCOPE[@]}" --unit="$REPLY" "$BASH" "$FLEET_PROGRAM" serve "$FLEET_ROOT" "$boot"
}

record_scope() { { printf '%s %s\n' "$1" "$2" 1<>"$FLEET_ROOT/scope"; } 2>/dev/null || :; } # BOOT TRIES

# BOOT, given by whoever became this process through a scope. HOLDS = what holds our processes.
find_holder() {
  HOLDS=none
  SCOPE=()
  [ -d /run/systemd/system ] || return 0
  HOLDS=session
  [ -n "$1" ] && grep -qs '/miyabi-[^/]*\.scope' /proc/self/cgroup && find_manager || return 0
  HOLDS=scope
  record_scope "$1" 0
}

# REPLY = a name for a unit that no other has had in this boot. WHAT
name_unit() {
  uptime_seconds
  REPLY="miyabi-${FLEET_ROOT##*/}-$1-$BASHPID-$REPLY"
}

# FOLDER of a fleet that goes: lingering that we turned on is turned off, unless another fleet of ours needs it.
stop_lingering() {
  local other
  [ -e "$1/linger" ] || return 0
  for other in "${1%/*}"/*/; do
    other=${other%/}
    [ "$other" -ef "$1" ] || [ ! -e "$other/owner" ] || { : >"$other/linger"; return 0; }
  done
  timeout -k 1 5 loginctl --no-ask-password disable-linger "$(id -un)" </dev/null >/dev/null 2>&1
}
