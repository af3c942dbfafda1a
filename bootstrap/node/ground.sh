#!/usr/bin/env bash
# fleet-node: everything that runs on a node, in one program. The controller joins the parts of bootstrap/node/, puts
# the result in place by its hash and speaks to `serve`. Needs bash >= 4.4, coreutils, util-linux, tmux >= 3.0; jq is nice.
#
#   ~/.miyabi/NAME/            0700; everything of one fleet on this node
#     owner epoch boot         who may drive it, how often it was taken, which boot it last saw
#     journal                  append-only lines: what began, what ended
#     attempts/ATTEMPT         made with O_EXCL, so that an attempt begins once; what becomes of it, see below
#     attempts/ATTEMPT.*       prompt out err collect usage
#     open/NUMBER              the agent's attempt and its limits; a "-" before it: the controller has acknowledged the end
#     agents/NUMBER/           homes of tools, work folder
#
# The file of an attempt has four lines of a fixed length. Whoever writes one needs no room for it: a full disk cannot lose
# what it says. New files, and old ones that go, cost more than all else: an attempt has few.
#     0  HASH TOOL                 of what was sent; or "buried": must never start
#     1  PID BEGAN START GROUP     its tool
#     2  REASON SINCE              it was asked to end
#     3  end ...                   the record of its end
#     then  worker|sweep PID START SINCE   claims, appended: the first one decides its fate
set -u
LOGIN_UMASK=$(umask) # what agents make is for people: their files get the login's own modes
umask 077
{ LC_ALL=C.UTF-8; } 2>/dev/null # what tools get: read from the disk once, here, and not by each of them
export LC_ALL=C
shopt -s nullglob

PROTOCOL=1
GRACE_SECONDS=3          # between asking a tool to end and killing it
SWEEP_SECONDS=10         # a worker that never claimed its attempt is given up after two of these
ASIDES_MAX=8              # attempts that the sweep ends at the same time
REPORT_SECONDS_MAX=10     # an older report is not passed on
LINE_CHARS=511           # of the file of an attempt, without the newline: the path of a control group has room
RECORD_CHARS=90          # of a line of the journal, likewise
OUT_BYTES_MAX=67108864   # of one attempt's output; past it the middle is given back to the disk
ATTEMPTS_KEPT=500
PRUNED_AT_ONCE=100

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
  REPLY=
  stat_fields "$1" || return 1
  # shellcheck disable=SC2086
  set -- $FIELDS
  [ "$1" != Z ] && [ "$1" != X ] && REPLY=${20:-}
  [ -n "$REPLY" ]
}

# FIELDS = what /proc says of process $1 behind its name, which may hold anything: its state, its parent, …
stat_fields() {
  FIELDS=
  [[ -n $1 && $1 != *[!0-9]* ]] && { read -r FIELDS <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- "${FIELDS:0:40}" "${FIELDS:40}" # the name ends before that; to look for its end in all of it takes bash long
  FIELDS=${1##*) }$2
}

# Is process $1, begun at $2, still that process?
is_running() { start_time "$1" && [ "$REPLY" = "$2" ]; }

# One record, one write: begins and ends with a newline, so that a torn neighbour cannot swallow it. All are of one
# length: what has no known length bash reads byte by byte.
journal() {
  for _ in 1 2 3; do
    printf "\n%-${RECORD_CHARS}s\n" "$1" >>"$FLEET_ROOT/journal" && return 0
    nap 0.1
  done
  return 1 # the folder holds the end; it is told again at the next greeting
}

# ATTEMPT FIRST: makes its file, unless there is one.
take_lock() {
  local taken
  set -C
  { write_lines "$2" >"$FLEET_ROOT/attempts/$1"; } 2>/dev/null
  taken=$?
  set +C
  return "$taken"
}

write_lines() { printf "%-${LINE_CHARS}s\n" "$1" '' '' ''; }

# ATTEMPT NUMBER TEXT: fails where its file was cut or removed: the text is then not where it should be.
put_line() {
  { IFS= read -r -N $(((LINE_CHARS + 1) * $2)) _ <&5 && printf "%-${LINE_CHARS}s\n" "$3" >&5; } 5<>"$FLEET_ROOT/attempts/$1"
}

# LOCKED, TOOL, STOP, END, CLAIMED = the lines of attempt $1. Fails where there is none, or one that was cut short.
read_lines() {
  LOCKED='' TOOL='' STOP='' END='' CLAIMED=''
  [ -e "$FLEET_ROOT/attempts/$1" ] &&
    { read -r LOCKED && read -r TOOL && read -r STOP && read -r END && { read -r CLAIMED || :; }; } <"$FLEET_ROOT/attempts/$1"
}

# REPLY = the end record of attempt $1; empty while it has none.
end_of() {
  REPLY=
  [ -e "$FLEET_ROOT/attempts/$1" ] && { read -r _; read -r _; read -r _; read -r REPLY; } <"$FLEET_ROOT/attempts/$1"
  [ -n "$REPLY" ]
}

# ATTEMPT AGENT HOW EXIT SECONDS STOP: its record, and whether it left anything to read. Fails where the file does not
# hold it.
write_end() {
  local left=none files="$FLEET_ROOT/attempts/$1"
  if [ -s "$files.out" ] || [ -s "$files.err" ] || [ -s "$files.usage" ]; then left=some; fi
  set -- "$1" "end $* $left"
  # Cut or removed by somebody: what it said is lost, but not the end.
  { put_line "$1" 3 "$2" && end_of "$1"; } || { write_lines - >"$FLEET_ROOT/attempts/$1" && put_line "$1" 3 "$2"; } || return 1
  journal "$2"
  return 0
}
