#!/usr/bin/env bash
# fleet-node: everything that runs on a node, in one program. The controller joins the parts of bootstrap/node/, puts
# the result in place by its hash and speaks to `serve`. Needs bash >= 4, coreutils, util-linux, tmux >= 3.0; jq is nice.
#
#   ~/.miyabi/NAME/            0700; everything of one fleet on this node
#     owner epoch boot         who may drive it, how often it was taken, which boot it last saw
#     journal                  append-only lines: what began, what ended
#     lock/ATTEMPT             made with O_EXCL: hash of what was sent, or "buried" (must never start)
#     open/ATTEMPT             exists until the controller has acknowledged the end
#     attempts/ATTEMPT/        spec run prompt secret out err usage claim tool cgroup stop end
#     agents/NUMBER/           homes of tools, work folder, current (the attempt it shows)
set -u
LOGIN_UMASK=$(umask) # what agents make is for people: their files get the login's own modes
umask 077
export LC_ALL=C
shopt -s nullglob

PROTOCOL=1
GRACE_SECONDS=3          # between asking a tool to end and killing it
SWEEP_SECONDS=10         # a worker that never claimed its attempt is given up after two of these
ASIDES_MAX=8              # attempts that the sweep ends at the same time
REPORT_SECONDS_MAX=10     # an older report is not passed on
OUT_BYTES_MAX=67108864   # of one attempt's output; past it the middle is given back to the disk
ATTEMPTS_KEPT=500

# Only these variables reach a tool: what a login or the controller's own environment holds is not an agent's business.
clean_environment() {
  local name
  while read -r name; do
    case $name in
      HOME | PATH | USER | LOGNAME | SHELL | TZ | LC_ALL | TMPDIR | XDG_RUNTIME_DIR | DBUS_SESSION_BUS_ADDRESS) ;;
      SSL_CERT_FILE | SSL_CERT_DIR | NODE_EXTRA_CA_CERTS | HTTP_PROXY | HTTPS_PROXY | NO_PROXY | http_proxy | https_proxy | no_proxy) ;;
      FLEET_ROOT | FLEET_PROGRAM) ;;
      *) unset "$name" ;;
    esac
  done < <(compgen -e)
}

# Seconds since boot, whole. Wall time may jump; this does not.
uptime_seconds() { local up rest; read -r up rest </proc/uptime; REPLY=${up%.*}; }

# A nap without a process: reads from a pipe nobody writes to.
nap() { { : >&7; } 2>/dev/null || exec 7<> <(:); read -r -t "$1" -u 7 _ || :; }

# REPLY = start time of process $1 in clock ticks since boot; empty when it is gone or a zombie.
start_time() {
  local line
  REPLY=
  [[ $1 =~ ^[0-9]+$ ]] && { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  line=${line##*) }
  # shellcheck disable=SC2086
  set -- $line
  [ "$1" != Z ] && [ "$1" != X ] && REPLY=${20:-}
  [ -n "$REPLY" ]
}

# Is process $1, begun at $2, still that process?
is_running() { start_time "$1" && [ "$REPLY" = "$2" ]; }

# One record, one write: begins and ends with a newline, so that a torn neighbour cannot swallow it.
journal() {
  for _ in 1 2 3; do
    printf '\n%s\n' "$1" >>"$FLEET_ROOT/journal" && return 0
    nap 0.1
  done 2>/dev/null
  return 1 # the folder holds the end; it is told again at the next greeting
}

# REPLY = the end record of attempt $1; empty while it has none. The file is as long as it will ever be from the start.
end_of() {
  REPLY=
  { read -r REPLY <"$FLEET_ROOT/attempts/$1/end"; } 2>/dev/null
  [ -n "$REPLY" ]
}

# Small files that are written in the course of an attempt take their room before its start, so that a full disk cannot
# lose what they will say. Their first line is empty until then.
take_room() { [ -s "$1" ] || printf '\n%511s\n' '' >"$1"; }
fill_room() { printf '%s\n' "$2" 1<>"$1"; } # FILE TEXT

write_end() { # ATTEMPT RECORD
  fill_room "$FLEET_ROOT/attempts/$1/end" "$2"
  journal "$2"
}
