# Programs: those of the distribution, and the pinned ones.

PACKAGES=(tmux git jq curl ca-certificates openssl procps util-linux openssh-client)

have_packages() {
  local missing=() name
  for name in "${PACKAGES[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  WHY="${missing[*]:+missing: ${missing[*]}}"
  [ "${#missing[@]}" -eq 0 ]
}

skip_packages() { has dpkg-query && has apt-get && return 1; WHY='no apt here: install tmux, git, jq, curl, openssl'; }

# Nothing that runs here is restarted for it.
make_packages() {
  local names
  read -ra names <<<"${WHY#missing: }"
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1
  apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5 update || return 1
  apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5 -o Dpkg::Options::=--force-confold --no-install-recommends install "${names[@]}"
}

# A node of the machine's own stays what its people call node; agents find ours by its path.
have_node() { have_program node "$SETUP_HOME/node-$NODE_VERSION/bin/node" "v$NODE_VERSION"; }
make_node() {
  fetch_package NODE "$SETUP_HOME/node-$NODE_VERSION" && link_unless_taken node "$SETUP_HOME/node-$NODE_VERSION/bin/node"
}

have_codex() { find_codex; have_program codex "$REPLY" "$CODEX_VERSION"; }
make_codex() { fetch_package CODEX "$SETUP_HOME/codex-$CODEX_VERSION" && find_codex && link_program codex "$REPLY"; }
find_codex() {
  local found=("$SETUP_HOME/codex-$CODEX_VERSION"/vendor/*/bin/codex)
  REPLY=${found[0]}
}

have_claude() { have_program claude "$SETUP_HOME/claude-$CLAUDE_VERSION/claude" "$CLAUDE_VERSION"; }
make_claude() {
  fetch_package CLAUDE "$SETUP_HOME/claude-$CLAUDE_VERSION" && link_program claude "$SETUP_HOME/claude-$CLAUDE_VERSION/claude"
}

# NAME PATH VERSION: is it there, does it run, and is it what is called by that name, or is that somebody else's?
have_program() {
  local said
  [ -x "$2" ] || { WHY="$1 $3 is not installed"; return 1; }
  said=$(HOME=/nonexistent CODEX_HOME="$SETUP_STATE/none" timeout 60 "$2" --version 2>/dev/null </dev/null)
  case $said in *"$3"*) ;; *) WHY="$2 does not run"; return 1 ;; esac
  WHY=$3
  [ "$(readlink -f "/usr/local/bin/$1")" = "$(readlink -f "$2")" ] && return 0
  is_taken "$1" && { WHY="$3 in $2; $1 itself is another one"; return 0; }
  WHY="$1 is not called by its name"
  return 1
}

# Somebody else's program of that name, anywhere in the usual path.
is_taken() {
  local found
  found=$(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin command -v "$1") || return 1
  case $(readlink -f "$found") in "$SETUP_HOME"/*) return 1 ;; esac
}

link_unless_taken() { is_taken "$1" || link_program "$1" "$2"; }
