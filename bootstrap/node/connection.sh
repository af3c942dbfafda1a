# The connection that carries a server: over SSH the process of sshd that holds it, and with it the forwarded port.

# REPLY = process id of the parent of $1.
parent_of() {
  REPLY=
  stat_fields "$1" || return 1
  # shellcheck disable=SC2086
  set -- $FIELDS
  REPLY=$2
}

# sshd names itself after the person at the other end, `sshd: user@notty`; its listener and its monitor do not.
is_connection() { # PID
  local comm='' title=''
  { read -r comm <"/proc/$1/comm"; } 2>/dev/null
  { IFS= read -r -d '' title <"/proc/$1/cmdline"; } 2>/dev/null
  [[ $1 -gt 1 && $comm =~ ^sshd(-session)?$ && $title =~ ^sshd(-session)?:\ [^\ ]+@ ]]
}

# REPLY = process id and start time of the connection that carries process $1; empty when it is none.
connection_of() {
  local parent
  parent_of "$1"
  parent=$REPLY
  REPLY=
  is_connection "${parent:-0}" && start_time "$parent" && REPLY="$parent $REPLY"
}

# A former server's connection may hang on a dead link for long, and keep its forwarded port. PID START, as recorded.
end_connection() {
  local ancestor=$BASHPID signal
  is_connection "$1" || return 0
  while [ "${ancestor:-0}" -gt 1 ]; do
    [ "$ancestor" != "$1" ] || return 0 # the same connection carries us too
    parent_of "$ancestor"
    ancestor=$REPLY
  done
  for signal in TERM KILL; do
    for _ in {1..20}; do
      is_running "$1" "$2" || return 0
      kill "-$signal" "$1" 2>/dev/null || return 0
      nap 0.05
    done
  done
}

# Ends the former server, whose next act must not happen any more, and its connection. Fails when it still runs after 5 s.
end_former_server() {
  local pid='' start='' connection='' begun=''
  { { read -r pid start; read -r connection begun; } <"$FLEET_ROOT/serve.pid"; } 2>/dev/null
  [ -n "$pid" ] && [ "$pid" != "$BASHPID" ] || return 0
  for _ in {1..100}; do
    is_running "$pid" "$start" || break
    kill -KILL "$pid" 2>/dev/null
    nap 0.05
  done
  is_running "$pid" "$start" && return 1
  [ -z "$connection" ] || end_connection "$connection" "$begun"
}

# Written in place: a full disk has no room for it anew. SERVER, CONNECTION
record_server() { printf '%-60s\n%-60s\n' "$1" "$2" 1<>"$FLEET_ROOT/serve.pid"; }
