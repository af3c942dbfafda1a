# The worker: one process for an agent that has work, outside tmux, outliving the link and the controller. It waits a
# little for the next attempt: to begin a process for each would cost as much as a short attempt does.

LINGER_SECONDS=10
ORDER_BYTES_MAX=4090 # with its length before it, what a pipe takes in one piece, or not at all

# Waits for a place among the starts in progress: as many as there are cores, for a start is work of the processor, and more
# at once only make each other slower. The place is given back at the tool's first output or after 5 s.
enter_gate() {
  local slots
  slots=$(nproc 2>/dev/null || echo 1)
  exec 6>"$FLEET_ROOT/gate/$((10#$1 % slots))"
  flock -w 120 6 || :
}

leave_gate_at_first_output() {
  for _ in {1..100}; do
    [ -s "$ATTEMPT.out" ] && break
    nap 0.05
  done
}

# An agent's new tool home is unpacked from a template made once per node: FOLDER NAME MAKER.
prepare_home() {
  local home="$FLEET_ROOT/agents/$AGENT/$1" template="$FLEET_ROOT/templates/$2.tar"
  [ -d "$home" ] && return 0
  (
    exec 5>"$FLEET_ROOT/templates/$2.lock"
    flock -w 60 5
    [ -e "$template" ] && exit 0
    FLEET_TEMPLATE="$FLEET_ROOT/templates/$2.new"
    export FLEET_TEMPLATE FLEET_ROOT
    rm -rf "$FLEET_TEMPLATE"
    mkdir -p "$FLEET_TEMPLATE"
    timeout -k 2 30 sh -c "$3" </dev/null >"$FLEET_ROOT/templates/$2.log" 2>&1 5>&-
    tar -C "$FLEET_TEMPLATE" -cf "$template.new" . && mv "$template.new" "$template"
    rm -rf "$FLEET_TEMPLATE"
  )
  rm -rf "$home.new"
  mkdir -p "$home.new"
  [ -e "$template" ] && tar -C "$home.new" -xf "$template"
  mv "$home.new" "$home"
}

# Becomes the tool. After a fork each thing done costs again what it touches: as little as can be is done here. RUN SECRET
run_tool() {
  export FLEET_ATTEMPT="$ATTEMPT"
  umask "$LOGIN_UMASK"
  [ -z "$2" ] || eval "$2" # secrets: they came with the order and were never in a file
  eval "$1" # no shell of its own: each program that is begun costs as much as all the rest of this
}

# What the tool left. Remembers that nothing did, and nobody moved us out of our group. PID of its process group
clean_up() {
  if [ -n "$GROUP" ] && holds_only "$GROUP" "${ME% *}"; then CLEAN=1; else
    CLEAN=
    kill_rest "$ATTEMPT" "$1 0 0 ${GROUP:--}" "${ME% *}"
  fi
}

collect_usage() { # ATTEMPT
  [ -s "$1.collect" ] || return 0
  FLEET_SINCE="$PWD/$1.collect" timeout -k 2 20 sh "./$1.collect" </dev/null >"$1.usage" 2>/dev/null
}

# A signal to the worker only interrupts its waiting, never the tool.
wait_for() {
  local code
  while :; do
    wait "$1"
    code=$?
    [ "$code" -gt 128 ] && start_time "$1" && continue
    return "$code"
  done
}

# Runs in a subshell of `serve`, detached. AGENT, then the first order: ATTEMPT GATE HOME TEMPLATE INPUT RUN SECRET MAKE
work_on() {
  local folder="$FLEET_ROOT/agents/$1" listens=0
  AGENT=$1
  shift
  trap - TERM EXIT
  trap : HUP INT
  cd "$FLEET_ROOT/attempts" || exit 1
  start_time "$BASHPID"
  ME="$BASHPID $REPLY"
  # What a tool gets of us. Not LC_ALL: to change that costs bash as much as to begin a process, and would bind the tool.
  export -n LC_ALL FLEET_ROOT FLEET_PROGRAM OLDPWD
  export LANG=C.UTF-8 TERM=dumb
  CLEAN=
  set -m # each tool has a process group of its own
  # From before its first end is told, or the next attempt would find nobody; later, where another is only leaving.
  listen_for_orders "$folder" && listens=1
  work "$@"
  if [ "$listens" = 1 ] || listen_for_orders "$folder"; then
    while take_order; do work "${ORDER[@]}"; done
    # Nobody gives it an order from here on, nor listens beside it: two who read from one pipe would tear an order apart.
    printf '%s\n' "$ME -" >"$folder/worker"
    if take_order 1; then work "${ORDER[@]}"; fi
  fi
  start_sweep
}

# FOLDER: fails where another worker of this agent waits, or no pipe can be had.
listen_for_orders() {
  local pid='' start=''
  { read -r pid start _ <"$1/worker"; } 2>/dev/null && is_running "$pid" "$start" && return 1
  [ -p "$1/orders" ] || { rm -rf "$1/orders"; mkfifo "$1/orders"; } || return 1
  exec 8<>"$1/orders" && printf '%s\n' "$ME ${FLEET_PROGRAM##*/}" >"$1/worker"
}

# ORDER = the next one. Fails when none comes, or one that is cut short. SECONDS
take_order() {
  local size text words
  # The rest without a limit: it was written at once, and a limit makes bash look at the clock for each byte.
  IFS= read -r -t "${1:-$LINGER_SECONDS}" -N 6 -u 8 size && [[ $size == 00[0-9][0-9][0-9][0-9] ]] &&
    [ "$((10#$size))" -le "$ORDER_BYTES_MAX" ] && IFS= read -r -N "$((10#$size))" -u 8 text || return 1
  set -f
  # shellcheck disable=SC2206
  words=(${text%%$'\n'*})
  set +f
  text=${text#*$'\n'}
  [ "${#words[@]}" -eq 8 ] && size=${words[5]}${words[6]}${words[7]} && [[ ${#size} -le 12 && $size != *[!0-9]* ]] || return 1
  ORDER=("${words[@]:0:5}" "${text:0:words[5]}" "${text:words[5]:words[6]}" "${text:words[5]+words[6]:words[7]}")
}

# AGENT, then an order as above: to its worker, if one waits for orders. An order that gets lost with its worker is one
# that nobody claims: the sweep ends its attempt.
give_order() {
  local folder="$FLEET_ROOT/agents/$1" pid='' start='' program='' text
  [ -e "$folder/worker" ] && read -r pid start program <"$folder/worker" && [ "$program" = "${FLEET_PROGRAM##*/}" ] &&
    is_running "$pid" "$start" && [ -p "$folder/orders" ] || return 1
  shift
  text="$1 $2 $3 $4 $5 ${#6} ${#7} ${#8}"$'\n'"$6$7$8"
  # Whatever somebody left in the pipe is not ours to wait behind.
  [ "${#text}" -le "$ORDER_BYTES_MAX" ] &&
    { ! read -r -t 0 -u 5 && printf '%06d%s' "${#text}" "$text" >&5; } 5<>"$folder/orders" || return 1
  # One that leaves meanwhile may have taken it, or not: then another takes it too, and the claim decides.
  read -r pid start program <"$folder/worker" && [ "$program" = "${FLEET_PROGRAM##*/}" ]
}

# The whole life of one attempt; what it needs came with the order.
work() { # ATTEMPT GATE HOME TEMPLATE INPUT RUN SECRET MAKE
  ATTEMPT=$1
  local input=/dev/null code=- seconds=0 began reason tool
  claim "$ATTEMPT" "worker $ME" || return 0
  if [ "$2" = 1 ]; then # else it begins at once, as the answer said
    enter_gate "$AGENT"
    journal "start $ATTEMPT $AGENT"
  fi
  # An earlier attempt may have left something, or a sweep that died have left us outside.
  [ -n "$CLEAN" ] || { enter_cgroup "$AGENT"; [ -z "$GROUP" ] || empty_group "$GROUP" "$ATTEMPT" "${ME% *}"; }
  [ "$3" = - ] || prepare_home "$3" "$4" "$8" 6>&- 8>&-
  [ "$5" = prompt ] && [ -e "$ATTEMPT.prompt" ] && input=$ATTEMPT.prompt
  [ "$2$3" = 0- ] || read_lines "$ATTEMPT" # that took a while: it may have been asked to end meanwhile
  uptime_seconds; began=$REPLY
  if [ -z "$STOP" ]; then
    run_tool "$6" "$7" <"$input" >"$ATTEMPT.out" 2>"$ATTEMPT.err" 6>&- 7>&- 8>&- &
    tool=$!
    if [ "$2" = 1 ]; then
      leave_gate_at_first_output 8>&- &
      exec 6>&-
    fi
    start_time "$tool"
    put_line "$ATTEMPT" 1 "$tool $began ${REPLY:-0} ${GROUP:--}"
    wait_for "$tool"
    code=$?
    uptime_seconds
    seconds=$((REPLY - began))
  else
    exec 6>&-
  fi
  read_lines "$ATTEMPT" # now: a reason that comes after the end is none
  reason=${STOP%% *}
  [ -z "${tool:-}" ] || clean_up "$tool"
  if [ -z "$reason" ] && [ "$code" != 0 ]; then
    if ran_out; then reason=memory; elif is_full; then reason=disk; fi
  fi
  collect_usage "$ATTEMPT"
  # Where the end cannot be written the sweep looks after it, once its worker is dead.
  write_end "$ATTEMPT" "$AGENT" exited "$code" "$seconds" "${reason:--}" || exit 1
  # Only whether somebody has its number: to make sure that it is the same takes ten times as long, and is done when the worker leaves.
  kill -0 "${SWEEP:-x}" 2>/dev/null || { start_sweep; read -r SWEEP _ <"$FLEET_ROOT/sweep.pid"; }
}

# Is the disk of this folder so full (1 MiB, 100 files) that a bad end may be its fault and not the tool's?
is_full() {
  local blocks size files all=''
  read -r blocks size files all < <(stat -f -c '%a %S %d %c' . 2>/dev/null)
  [ -n "$all" ] || return 1
  [ $((blocks * size)) -lt 1048576 ] || { [ "$all" -gt 0 ] && [ "$files" -lt 100 ]; }
}

# Whoever is the first to do this decides the attempt's fate: its worker, or the sweep that gives it up. Its file has room
# for it. ATTEMPT WHO
claim() {
  printf '%s\n' "$2" >>"$FLEET_ROOT/attempts/$1"
  read_lines "$1" && [ "$CLAIMED" = "$2" ]
}
