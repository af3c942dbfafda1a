# What people see: one tmux session per agent on one server. tmux is a window; nothing depends on it.

# Never waited for longer than a moment: a server that hangs must not hold the node up.
tmux_here() { timeout -k 1 3 tmux -S "$FLEET_ROOT/tmux.sock" "$@"; }

# ID NAME...: makes the sessions that are missing, all with one call. Nobody looks yet: each sleeps, which costs next to
# nothing, until somebody attaches.
open_sessions() {
  local id=$1 have
  shift
  command -v tmux >/dev/null 2>&1 || { refuse "$id" tmux "tmux is not installed"; return; }
  if have=$(list_sessions); then
    REPLY=" ${have//$'\n'/ } "
    tell_tmux "$@"
  else
    REPLY=' '
    { printf '%s\n' "$@" >"$FLEET_ROOT/sessions"; } 2>/dev/null
    begin_server "$@"
  fi || { refuse "$id" tmux "tmux: $(head -c 200 "$FLEET_ROOT/tmux.log" | tr -cd 'A-Za-z0-9 ._/:-')"; return; }
  keep_sessions
  answer "$id" '{"ok":true}'
}

list_sessions() { tmux_here list-sessions -F '#{session_name}' 2>/dev/null; }

# Their names, for the unit that makes them anew after a boot.
keep_sessions() { { list_sessions >"$FLEET_ROOT/sessions.new" && mv "$FLEET_ROOT/sessions.new" "$FLEET_ROOT/sessions"; } 2>/dev/null || :; }

# A server of its own unit outlives the end of a login and of whoever began it; one that the set-up brought comes back with
# the machine, too. NAME...
begin_server() {
  local code=0
  [ "$HOLDS" = scope ] || { tell_tmux "$@"; return; }
  windows_unit enable --now && return
  name_unit tmux
  UNIT=("${SCOPE[@]}" --unit="$REPLY")
  REPLY=' '
  tell_tmux "$@" || { UNIT=() && tell_tmux "$@"; } || code=1
  UNIT=()
  return "$code"
}

# VERB...: of the unit that the set-up brought for the windows of fleets. Fails where there is none.
windows_unit() {
  local manager=(systemctl --user) place=/etc/systemd/user
  [ "$EUID" -ne 0 ] || { manager=(systemctl) place=/etc/systemd/system; }
  [ -e "$place/miyabi-windows@.service" ] &&
    timeout -k 1 10 "${manager[@]}" --no-ask-password --quiet "$@" "miyabi-windows@${FLEET_ROOT##*/}.service" >/dev/null 2>&1 </dev/null
}

# ROOT: what that unit runs.
open_windows() {
  local names=()
  FLEET_ROOT=$1 REPLY=' '
  mapfile -t names <"$FLEET_ROOT/sessions"
  tell_tmux "${names[@]}"
}

# NAME...: a session for each of those that REPLY does not have, and a server, if there is none.
tell_tmux() {
  sessions_script "$@" | timeout -k 1 6 ${UNIT[@]+"${UNIT[@]}"} tmux -S "$FLEET_ROOT/tmux.sock" -f /dev/null \
    start-server \; set-environment -g FLEET_PROGRAM "$FLEET_PROGRAM" \; source-file - >/dev/null 2>"$FLEET_ROOT/tmux.log" 7>&-
}

# Settings, and what makes the sessions. NAME...
sessions_script() {
  local name
  printf '%s\n' 'set -s exit-empty off' 'set -g history-limit 2000' 'set -g mouse on' 'set -g status-left-length 40' \
    'set -g default-terminal screen-256color' 'set -g default-shell /bin/sh' 'set -g remain-on-exit off' 'set -g update-environment ""' \
    "set-hook -g client-attached { if -F '#{==:#{session_attached},1}' { respawn-pane -k 'exec bash \"\$FLEET_PROGRAM\" view \"\$FLEET_ROOT\"' } }"
  for name; do
    case $REPLY in *" $name "*) continue ;; esac
    printf "new-session -d -s '%s' -x 160 -y 50 sleep infinity\n" "$name"
  done
}

# ID NAME...: all with one call
close_sessions() {
  local id=$1 script=''
  shift
  printf -v script "kill-session -t '=%s'\n" "$@"
  tmux_here source-file - <<<"$script" >/dev/null 2>&1 # one that is not there hinders no other
  [ -n "$(list_sessions)" ] || tmux_here kill-server 2>/dev/null
  keep_sessions
  answer "$id" '{"ok":true}'
}

# ROOT: shows the agent's work while somebody looks, and sleeps while nobody does.
view() {
  local turn=0 shown='' current='' last='' tail_pid='' session
  FLEET_ROOT=$1
  trap '' INT QUIT TSTP
  session=$(tmux_here display-message -p -t "$TMUX_PANE" '#{session_name}')
  printf '\033[2J\033[H%s\n' "$session · shows what the agent does; keys reach nobody, detach with Ctrl-b d"
  while [ $((turn++ % 20)) -ne 0 ] || is_watched "$session"; do
    { read -r current last _ <"$FLEET_ROOT/open/${session##*-}"; } 2>/dev/null
    [ "$current" != - ] || current=$last
    if [ "$current" != "$shown" ]; then
      [ -z "$tail_pid" ] || kill -- "-$tail_pid" 2>/dev/null
      shown=$current
      set -m
      follow "$current" &
      tail_pid=$!
      set +m
    fi
    [ -n "$shown" ] || printf '\r%s' 'idle: no task yet '
    nap 0.5
  done
  [ -z "$tail_pid" ] || kill -- "-$tail_pid" 2>/dev/null
  exec sleep infinity # until the next one attaches: tmux then begins the view anew
}

is_watched() { # SESSION
  local attached
  attached=$(tmux_here display-message -p -t "=$1:" '#{session_attached}' 2>/dev/null)
  [ "${attached:-0}" -gt 0 ]
}

follow() { # ATTEMPT
  local file="$FLEET_ROOT/attempts/$1"
  tool_of "$1"
  printf '\n\033[7m %s \033[0m\n' "attempt $1"
  head -c 2000 "$file.prompt" 2>/dev/null
  printf '\n'
  tail -n 500 -s 0.5 --pid="$$" -F "$file.out" 2>/dev/null | readable "$REPLY"
}

# Event lines as text; without jq, or for plain output, the lines themselves, cut.
readable() { # TOOL
  if [ "$1" != command ] && command -v jq >/dev/null 2>&1 && filter=$(view_filter "$1"); then
    jq --unbuffered -Rr "$filter"
  else
    while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "${line:0:400}"; done
  fi
}

# REPLY = how the output of attempt $1 is to be read.
tool_of() {
  REPLY=
  { read -r _ REPLY <"$FLEET_ROOT/attempts/$1"; } 2>/dev/null
  REPLY=${REPLY:-command}
}

until_ended() { while ! end_of "$1"; do nap 0.3; done; }

# ROOT ATTEMPT FILE FOLLOW READABLE: for `fleet logs`.
log() {
  FLEET_ROOT=$1
  local file="$FLEET_ROOT/attempts/$2.$3" kind
  [ -e "$FLEET_ROOT/attempts/$2" ] || { echo "no such attempt on this node any more" >&2; exit 1; }
  tool_of "$2"
  kind=$REPLY
  [ "$5" = 1 ] || kind=command_raw
  if [ "$4" = 1 ]; then
    until_ended "$2" &
    tail -n +1 -s 0.2 --pid="$!" -F "$file" 2>/dev/null
  elif [ -s "$file" ]; then # it may not have begun
    cat "$file"
  elif [ "$3" = out ] && [ -s "${file%.out}.err" ]; then
    echo "nothing on its standard output; --err shows what it wrote to standard error" >&2
  fi | if [ "$kind" = command_raw ]; then cat; else readable "$kind"; fi
}
