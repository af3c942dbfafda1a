# Starting, ending and telling of attempts: what `serve` does when it is asked.

# REPLY = the next $1 bytes of standard input, exactly.
read_bytes() {
  REPLY=
  [ "$1" -eq 0 ] || IFS= read -r -N "$1" REPLY
  [ "${#REPLY}" -eq "$1" ]
}

# ID ATTEMPT AGENT HASH BOOT TIMEOUT SILENCE GATE TOOL HOME TEMPLATE INPUT RUN PROMPT SECRET COLLECT MAKE, then the bytes
# of the last five. The same attempt may be sent again: its file, made once, makes that harmless.
start_attempt() {
  local id=$1 attempt=$2 agent=$3 was=new part payload=() files="$FLEET_ROOT/attempts/$2"
  read_bytes $((${13} + ${14} + ${15} + ${16} + ${17})) || { refuse "$id" protocol "cut short"; exit 1; }
  for part in "${@:13:5}"; do
    payload+=("${REPLY:0:part}")
    REPLY=${REPLY:part}
  done
  if [ "$5" != "$BOOT" ]; then answer "$id" '{"ok":true,"was":"boot"}'; return; fi
  if ! take_lock "$attempt" "$4 $9"; then
    # One that was cut short, by a death or a full disk: nothing began under it.
    read_lines "$attempt" || [ "$LOCKED" = buried ] || LOCKED=
    case $LOCKED in
      buried) answer "$id" '{"ok":true,"was":"buried"}'; return ;;
      "$4 "*) was=same ;;
      '') was=same; { write_lines "$4 $9" >"$files"; } 2>/dev/null || { forget "$attempt"; refuse "$id" disk "no room for the attempt"; return; } ;;
      *) refuse "$id" mismatch "this attempt was sent with another content"; return ;;
    esac
    if [ -n "$CLAIMED" ]; then
      answer "$id" '{"ok":true,"was":"same"}'
      # Sent again by a ledger that never heard of its end: one that was put back, or a copy.
      [ -z "$END" ] || journal "$END"
      return 0
    fi
  fi
  part=
  [ ! -e "$FLEET_ROOT/open/$agent" ] || read -r part _ <"$FLEET_ROOT/open/$agent"
  # What is open was laid out whole: its worker may be about to read it.
  if [ "$part" != "$attempt" ] && ! {
    lay_out "$files" "$FLEET_ROOT/agents/$agent" "${payload[1]}" "${payload[3]}" &&
      printf '%-80s\n' "$attempt $agent $6 $7" 1<>"$FLEET_ROOT/open/$agent"
  }; then
    forget "$attempt"
    refuse "$id" disk "no room for the attempt"
    return
  fi
  set -- "$agent" "$attempt" "$8" "${@:10:3}" "${payload[0]}" "${payload[2]}" "${payload[4]}"
  if ! give_order "$@"; then work_on "$@" </dev/null >"$FLEET_ROOT/agents/$agent/worker.log" 2>&1 & fi
  answer "$id" "{\"ok\":true,\"was\":\"$was\"}"
  # What the agent had before is in the ledger, or there would be nothing new for it.
  [ "${part:--}" = - ] || [ "$part" = "$attempt" ] || count_acknowledged 1
}

# ID BYTES PROCESSES NUMBER...: what each may take at most, and what agents need before their first attempt, of all of them
# with one process for each sort of thing. What could not be made is made, or told of, when an attempt begins.
make_places() {
  local id=$1 agent folders=() pipes=() groups=()
  set_limits "$2" "$3" 2>/dev/null
  shift 3
  for agent; do
    folders+=("$FLEET_ROOT/agents/$agent/work" "$FLEET_ROOT/agents/$agent/tmp")
    [ -p "$FLEET_ROOT/agents/$agent/orders" ] || pipes+=("$FLEET_ROOT/agents/$agent/orders")
    [ -z "$CGROUP" ] || groups+=("$CGROUP/$agent")
  done
  {
    mkdir -p "${folders[@]}" "${groups[@]}"
    [ "${#pipes[@]}" -eq 0 ] || mkfifo "${pipes[@]}"
  } 2>/dev/null
  answer "$id" '{"ok":true}'
}

# FILES AGENT_FOLDER PROMPT COLLECT
lay_out() {
  [ -d "$2/work" ] || mkdir -p "$2/work" "$2/tmp" || return 1
  { [ -z "$3" ] || printf '%s' "$3" >"$1.prompt"; } && { [ -z "$4" ] || printf '%s' "$4" >"$1.collect"; }
}

forget() { # ATTEMPT...: as if they had never been sent
  local attempt gone=()
  for attempt; do
    gone+=("$FLEET_ROOT/attempts/$attempt"{,.out,.err,.prompt,.collect,.usage})
  done
  rm -f "${gone[@]}"
}

# ID ATTEMPT REASON [orphan]: never started: buried, so that a start still on its way cannot run; running: asked to end.
stop_attempt() {
  # Told of by the journal alone, which anybody here can write: there is nothing to end, and no start on its way.
  if [ "${4:-}" = orphan ] && [ ! -e "$FLEET_ROOT/attempts/$2" ] && ! is_open "$2"; then
    answer "$1" '{"ok":true,"was":"absent"}'
    return
  fi
  if take_lock "$2" buried; then
    # Its file may have been removed while it ran: nothing is buried alive.
    if kill_rest "$2"; then answer "$1" '{"ok":true,"was":"buried"}'; else refuse "$1" busy "it still runs"; fi
    return
  fi
  read_lines "$2"
  if [ "$LOCKED" = buried ]; then answer "$1" '{"ok":true,"was":"buried"}'; return; fi
  if [ -n "$END" ]; then answer "$1" '{"ok":true,"was":"ended"}'; journal "$END"; return; fi
  if ! is_open "$2"; then # its start was cut short by the death of a former server: it never began
    if { write_lines buried >"$FLEET_ROOT/attempts/$2"; } 2>/dev/null; then answer "$1" '{"ok":true,"was":"buried"}'; else
      refuse "$1" disk "no room to bury it"
    fi
    return
  fi
  ask_to_end "$2" "$3"
  answer "$1" '{"ok":true,"was":"stopping"}'
}

# ID ATTEMPT: what it left: out (first and last part), err (last part), usage.
tell_evidence() {
  local files="$FLEET_ROOT/attempts/$2" size
  end_of "$2" || { refuse "$1" protocol "it has not ended"; return; } # an end that only the journal knows is not one
  if [ -s "$files.out" ] && ! tell_text "$1" out "$files.out"; then
    size=$(stat -c %s "$files.out")
    if [ "$size" -le 262144 ]; then tell_bytes "$1" out base64 -w 0 "$files.out"; else
      tell_bytes "$1" out part head 65536 "$files.out"
      tell_bytes "$1" out part tail 196608 "$files.out"
    fi
  fi
  [ -s "$files.err" ] && ! tell_text "$1" err "$files.err" && tell_bytes "$1" err part tail 8192 "$files.err"
  [ -s "$files.usage" ] && tell_bytes "$1" usage part tail 524288 "$files.usage"
  answer "$1" '{"ok":true}'
}

# ID NAME FILE: what is short goes as it is, in T lines of one write, without a process. Fails where it is long or holds a NUL.
tell_text() {
  local text='' mark="T $1 $2 "
  IFS= read -r -d '' -n 2000 text <"$3" && return 1
  text=$mark${text//$'\n'/$'\n'$mark}
  [ "${#text}" -lt 4000 ] && printf '%s\n' "$text"
}

# ID NAME COMMAND...: what it prints, base64 without a newline, in B lines. Read at once: line by line is byte by byte.
tell_bytes() {
  local id=$1 name=$2 text at
  shift 2
  IFS= read -r -N 1000000 text < <("$@" 2>/dev/null)
  for ((at = 0; at < ${#text}; at += 3800)); do printf 'B %s %s %s\n' "$id" "$name" "${text:at:3800}"; done
}

part() { "$1" -c "$2" "$3" | base64 -w 0; } # head|tail BYTES FILE

is_open() { # ATTEMPT
  local file attempt
  for file in "$FLEET_ROOT"/open/*; do
    { read -r attempt _ <"$file"; } 2>/dev/null
    [ "$attempt" != "$1" ] || return 0
  done
  return 1
}

# ID ATTEMPT...: the ends are in the ledger, and are told no more. Only now may their files go, oldest first.
acknowledge() {
  local id=$1 attempt current words
  shift
  for attempt; do
    end_of "$attempt" || continue # an end that only the journal knew was not one
    set -f
    # shellcheck disable=SC2206
    words=($REPLY)
    set +f
    read -r current _ <"$FLEET_ROOT/open/${words[2]}"
    [ "$current" != "$attempt" ] || printf '%-80s\n' "- $attempt" 1<>"$FLEET_ROOT/open/${words[2]}"
  done
  answer "$id" '{"ok":true}'
  count_acknowledged $#
}

count_acknowledged() {
  ACKNOWLEDGED=$((ACKNOWLEDGED + $1))
  [ "$ACKNOWLEDGED" -lt "$PRUNED_AT_ONCE" ] || prune_attempts
}

prune_attempts() {
  local old attempt gone=()
  local -A open=()
  ACKNOWLEDGED=0
  : >"$FLEET_ROOT/serve.log"
  old=("$FLEET_ROOT"/attempts/*-????????????)
  [ "${#old[@]}" -gt "$ATTEMPTS_KEPT" ] || return 0
  for attempt in "$FLEET_ROOT"/open/*; do
    read -r attempt _ <"$attempt"
    open[${attempt:--}]=1
  done
  for attempt in "${old[@]:0:${#old[@]}-ATTEMPTS_KEPT}"; do # UUIDv7: names sort by time
    attempt=${attempt##*/}
    [ -n "${open[$attempt]:-}" ] || gone+=("$attempt")
  done
  [ "${#gone[@]}" -eq 0 ] || forget "${gone[@]}"
}
