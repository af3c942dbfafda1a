# Setting a machine up for agents: steps, each of which looks first whether it is so already, and looks again after what
# it did. So it may be run again at any time, also after being killed at any point, and a dry run is the looking alone.

SETUP_HOME=/opt/miyabi         # what is installed, by version
SETUP_STATE=/var/lib/miyabi    # the report
SETUP_CONF=/etc/miyabi         # what whoever made the machine says: setup.env, authorized_keys

# STEP: `skip_STEP` says why it makes no sense here, `have_STEP` whether it is so, `make_STEP` makes it so. Each leaves in
# WHY what it saw, in a few words.
run_step() {
  WHY=
  if declare -F "skip_$1" >/dev/null && "skip_$1"; then tell "$1" left-out; return; fi
  WHY=
  if "have_$1"; then tell "$1" same; return; fi
  if [ "$DRY" = 1 ]; then tell "$1" would; return; fi
  if ! "make_$1" >>"$LOG" 2>&1; then
    WHY="${WHY:+$WHY; }$LOG tells more"
    tell "$1" failed
    return
  fi
  WHY=
  if "have_$1"; then tell "$1" changed; else
    WHY="it was done and is not so: ${WHY:-unknown why}"
    tell "$1" failed
  fi
}

# STEP WHAT: a line for people, or for programs, and remembered for the report.
tell() {
  local line
  printf -v line '{"step":"%s","is":"%s","why":"%s"}' "$1" "$2" "$(one_line "$WHY")"
  TOLD+=("$line")
  [ "$2" != failed ] || FAILED=$((FAILED + 1))
  [ "$2" != changed ] || CHANGED=$((CHANGED + 1))
  [ "$2" != would ] || CHANGED=$((CHANGED + 1))
  if [ "$JSON" = 1 ]; then printf '%s\n' "$line"; else printf '%-10s %-10s %s\n' "$2" "$1" "$WHY"; fi
}

# As JSON text: what could end it is left out.
one_line() { printf '%s' "$1" | tr -cd '[:print:]' | tr -d '"\134' | head -c 300; }

# FILE MODE, its text from standard input: written whole or not at all.
put_file() {
  mkdir -p "${1%/*}" && cat >"$1.new" && chmod "$2" "$1.new" && mv -f "$1.new" "$1"
}

# FILE TEXT: is that what stands there?
holds() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

has() { command -v "$1" >/dev/null 2>&1; }

has_systemd() { [ -d /run/systemd/system ] && has systemctl; }

in_container() { has systemd-detect-virt && systemd-detect-virt --quiet --container; }

# REPLY = x64 or arm64; fails on other machines.
architecture() {
  case $(uname -m) in
    x86_64) REPLY=X64 ;;
    aarch64 | arm64) REPLY=ARM64 ;;
    *) WHY="no programs for $(uname -m)"; return 1 ;;
  esac
}

# NAME: unpacks the pinned package into its folder, after its integrity was seen to be right. Its value in versions.env is
# its path at the registry and its integrity.
fetch_package() {
  local name=$1 folder=$2 path integrity digest
  architecture || return 1
  local key="${name}_LINUX_$REPLY"
  read -r path integrity <<<"${!key}"
  rm -rf "$folder.new"
  mkdir -p "$folder.new" || return 1
  curl --fail --silent --show-error --location --retry 5 --retry-all-errors --connect-timeout 20 --max-time 900 \
    --output "$folder.new/package.tgz" "${REGISTRY%/}/$path" || { WHY="$name could not be fetched"; return 1; }
  digest=$(openssl dgst -sha512 -binary "$folder.new/package.tgz" | openssl base64 -A)
  [ "sha512-$digest" = "$integrity" ] || { WHY="$name is not what was pinned: sha512-$digest"; rm -rf "$folder.new"; return 1; }
  tar -xzf "$folder.new/package.tgz" -C "$folder.new" --strip-components=1 --no-same-owner && rm "$folder.new/package.tgz" || return 1
  rm -rf "$folder" && mv "$folder.new" "$folder"
}

# NAME FOLDER: makes a program of the folder callable by its name, unless that name belongs to somebody else here.
link_program() { ln -sfn "$2" "/usr/local/bin/$1.new" && mv -fT "/usr/local/bin/$1.new" "/usr/local/bin/$1"; }
