# Starting, ending and telling of attempts: what `serve` does when it is asked.

# REPLY = the next $1 bytes of standard input, exactly.
read_bytes() {
  REPLY=
  [ "$1" -eq 0 ] || IFS= read -r -N "$1" REPLY
  [ "${#REPLY}" -eq "$1" ]
}

# ID ATTEMPT AGENT HASH BOOT TIMEOUT SILENCE GATE TOOL HOME TEMPLATE INPUT RUN PROMPT SECRET COLLECT MAKE, then the bytes
# of the last five. The same attempt may be sent again: its lock makes that harmless.
start_attempt() {
  local id=$1 attempt=$2 agent=$3 hash=$4 folder="$FLEET_ROOT/attempts/$2" was=new known='' part payload=()
  for part in "${@:13:5}"; do
    read_bytes "$part" || { refuse "$id" protocol "cut short"; exit 1; }
    payload+=("$REPLY")
  done
  if [ "$5" != "$(<"$FLEET_ROOT/boot")" ]; then answer "$id" '{"ok":true,"was":"boot"}'; return; fi
  if ! take_lock "$attempt" "$hash"; then
    read -r known <"$FLEET_ROOT/lock/$attempt"
    [ "$known" = buried ] && { answer "$id" '{"ok":true,"was":"buried"}'; return; }
    # An empty lock is one whose writing was cut short, by a death or a full disk: nothing began under it.
    [ -n "$known" ] || { printf '%s\n' "$hash" >"$FLEET_ROOT/lock/$attempt" && known=$hash; } 2>/dev/null
    [ -n "$known" ] || { rm -f "$FLEET_ROOT/lock/$attempt"; refuse "$id" disk "no room for the attempt"; return; }
    [ "$known" = "$hash" ] || { refuse "$id" mismatch "this attempt was sent with another content"; return; }
    was=same
    if [ -e "$folder/claim" ]; then
      answer "$id" '{"ok":true,"was":"same"}'
      # Sent again by a ledger that never heard of its end: one that was put back, or a copy.
      end_of "$attempt" && journal "$REPLY"
      return 0
    fi
  fi
  # What is open was laid out whole: its worker may be about to read it.
  if [ ! -s "$FLEET_ROOT/open/$attempt" ] && ! {
    lay_out "$folder" "$agent" "${payload[@]}" &&
      printf '%s\n' "$9" >"$folder/kind" &&
      printf '%s %s %s %s %s\n' "$agent" "$8" "${10}" "${11}" "${12}" >"$folder/spec" &&
      printf '%s %s %s\n' "$agent" "$6" "$7" >"$FLEET_ROOT/open/$attempt"
  } 2>/dev/null; then
    rm -rf "$folder" "$FLEET_ROOT/open/$attempt" "$FLEET_ROOT/lock/$attempt"
    refuse "$id" disk "no room for the attempt"
    return
  fi
  { printf '%s\n' "$attempt" >"$FLEET_ROOT/agents/$agent/current"; } 2>/dev/null # of use to people only
  work "$attempt" </dev/null >>"$folder/worker.log" 2>&1 &
  answer "$id" "{\"ok\":true,\"was\":\"$was\"}"
}

take_lock() { # ATTEMPT CONTENT
  local taken
  set -C
  { printf '%s\n' "$2" >"$FLEET_ROOT/lock/$1"; } 2>/dev/null
  taken=$?
  set +C
  return "$taken"
}

# FOLDER AGENT RUN PROMPT SECRET COLLECT MAKE
lay_out() {
  local name
  [ -d "$1" ] || mkdir -p "$1" || return 1
  [ -d "$FLEET_ROOT/agents/$2/work" ] || mkdir -p "$FLEET_ROOT/agents/$2/work" "$FLEET_ROOT/agents/$2/tmp" || return 1
  for name in end stop tool cgroup claim.room; do take_room "$1/$name" || return 1; done
  printf '%s' "$3" >"$1/run" &&
    printf '%s' "$4" >"$1/prompt" &&
    { [ -z "$5" ] || printf '%s' "$5" >"$1/secret"; } &&
    { [ -z "$6" ] || printf '%s' "$6" >"$1/collect"; } &&
    { [ -z "$7" ] || printf '%s' "$7" >"$1/make"; } &&
    : >"$1/out" && : >"$1/err"
}

# ID ATTEMPT REASON [orphan]: never started: buried, so that a start still on its way cannot run; running: asked to end.
stop_attempt() {
  # Told of by the journal alone, which anybody here can write: there is nothing to end, and no start on its way.
  if [ "${4:-}" = orphan ] && [ ! -e "$FLEET_ROOT/lock/$2" ] && [ ! -e "$FLEET_ROOT/open/$2" ]; then
    answer "$1" '{"ok":true,"was":"absent"}'
    return
  fi
  if take_lock "$2" buried; then
    # Its folder may have been removed while it ran: nothing is buried alive.
    if kill_rest "$2"; then answer "$1" '{"ok":true,"was":"buried"}'; else refuse "$1" busy "it still runs"; fi
    return
  fi
  if [ "$(<"$FLEET_ROOT/lock/$2")" = buried ]; then answer "$1" '{"ok":true,"was":"buried"}'; return; fi
  if end_of "$2"; then answer "$1" '{"ok":true,"was":"ended"}'; journal "$REPLY"; return; fi
  if [ ! -e "$FLEET_ROOT/open/$2" ]; then # its start was cut short by the death of a former server: it never began
    if printf 'buried\n' >"$FLEET_ROOT/lock/$2"; then
      rm -rf "$FLEET_ROOT/attempts/$2"
      answer "$1" '{"ok":true,"was":"buried"}'
    else refuse "$1" disk "no room to bury it"; fi
    return
  fi
  ask_to_end "$2" "$3"
  answer "$1" '{"ok":true,"was":"stopping"}'
}

# ID ATTEMPT: what it left: out (first and last part), err (last part), usage, each as base64 in B lines.
tell_evidence() {
  local folder="$FLEET_ROOT/attempts/$2" size
  if [ -s "$folder/out" ]; then
    size=$(stat -c %s "$folder/out")
    if [ "$size" -le 262144 ]; then tell_file "$1" out cat "$folder/out"; else
      tell_file "$1" out head -c 65536 "$folder/out"
      tell_file "$1" out tail -c 196608 "$folder/out"
    fi
  fi
  [ -s "$folder/err" ] && tell_file "$1" err tail -c 8192 "$folder/err"
  [ -s "$folder/usage" ] && tell_file "$1" usage tail -c 524288 "$folder/usage"
  answer "$1" '{"ok":true}'
}

tell_file() { # ID NAME COMMAND...
  local id=$1 name=$2 chunk
  shift 2
  while IFS= read -r chunk; do printf 'B %s %s %s\n' "$id" "$name" "$chunk"; done < <("$@" 2>/dev/null | base64 -w 3800)
}

# ID ATTEMPT...: the ends are in the ledger; only now may their folders go, oldest first.
acknowledge() {
  local id=$1 attempt open=() old=()
  shift
  for attempt; do
    end_of "$attempt" && open+=("$FLEET_ROOT/open/$attempt") # an end that only the journal knew was not one
  done
  rm -f "${open[@]}"
  answer "$id" '{"ok":true}'
  old=("$FLEET_ROOT"/attempts/*)
  [ "${#old[@]}" -gt $((ATTEMPTS_KEPT + 100)) ] || return 0
  for attempt in "${old[@]:0:${#old[@]}-ATTEMPTS_KEPT}"; do # UUIDv7: names sort by time
    attempt=${attempt##*/}
    [ -e "$FLEET_ROOT/open/$attempt" ] || rm -rf "$FLEET_ROOT/attempts/$attempt" "$FLEET_ROOT/lock/$attempt"
  done
}
