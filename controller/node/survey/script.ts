/** POSIX sh. A limit around whatever asks a service: a bus that hangs must not hide everything else. */
export const SURVEY_SCRIPT = `
limit() { if command -v timeout >/dev/null 2>&1; then timeout -k 1 "$@"; else shift; "$@"; fi; }
say now "$(date +%s)"
say user "$(id -u) $(id -un)"
for each do command -v "$each" >/dev/null 2>&1 || say missing "$each"; done
command -v sudo >/dev/null 2>&1 && say sudo
for each in apt-get dnf yum zypper pacman apk; do
  command -v "$each" >/dev/null 2>&1 && say installer "$each" && break
done
say bash "$(bash -c 'echo "$BASH_VERSION"' 2>/dev/null)"
say tmux "$(tmux -V 2>/dev/null)"
say vcpu "$(nproc 2>/dev/null)"
while read -r key value _; do
  case $key in MemTotal: | MemAvailable:) say "$key" "$value" ;; esac
done </proc/meminfo
say disk "$(stat -f -c '%a %S %d %c' "$HOME" 2>/dev/null)"
[ -d "$HOME" ] && [ -w "$HOME" ] && say writable
say home "$(stat -c '%U %a' "$HOME" 2>/dev/null || echo '- -') $HOME"
say place "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null) $(stat -c '%d-%i' "$HOME" 2>/dev/null)"
say limits "$(bash -c 'echo "$(ulimit -u) $(ulimit -n)"' 2>/dev/null)"
group=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
while [ -n "$group" ]; do
  [ -r "/sys/fs/cgroup$group/pids.max" ] && say group "$(cat "/sys/fs/cgroup$group/pids.max") $group"
  group=\${group%/*}
done
own=$(id -u)
if [ "$own" -eq 0 ]; then groups=/sys/fs/cgroup; else groups=/sys/fs/cgroup/user.slice/user-$own.slice/user@$own.service; fi
if [ -w "/sys/fs/cgroup/memory/miyabi/$own" ]; then say held
elif [ -d /run/systemd/system ] && grep -qsw memory "$groups/cgroup.controllers"; then say held; fi
if [ -d /run/systemd/system ] && command -v loginctl >/dev/null 2>&1; then
  for what in $(limit 5 loginctl show-user -p KillUserProcesses 2>/dev/null); do say logind "$what"; done
  [ -e "/var/lib/systemd/linger/$(id -un)" ] && say logind Linger=yes || say logind Linger=no
fi
report=/var/lib/miyabi/ready.json
if [ -r "$report" ]; then
  say setup "$(sed -n 's/^{"version":1,"at":"\\([0-9TZ:-]*\\)","program":"\\([0-9a-f]*\\)".*"ready":\\([a-z]*\\).*/\\1 \\2 \\3/p' "$report")"
  for each in $(grep -o '"step":"[a-z]*","is":"failed"' "$report" | cut -d '"' -f 4); do say unset "$each"; done
fi
count() { find "$root/$1" -mindepth 1 -maxdepth 1 ! -name "$2" 2>/dev/null | wc -l; }
if [ -d "$root" ]; then
  owner=
  [ -r "$root/owner" ] && read -r owner <"$root/owner"
  windows=$(limit 5 tmux -S "$root/tmux.sock" list-sessions 2>/dev/null | wc -l)
  kib=$(limit 10 du -sk "$root" 2>/dev/null)
  say kept $(cat "$root"/open/* 2>/dev/null | grep -c '^[0-9a-f]') $(count attempts '*.*') $(count agents -) $windows \${kib%%[!0-9]*}
  [ -z "$owner" ] || say owner "$owner"
fi
folder() {
  if [ ! -e "$1" ]; then say folder absent
  elif [ ! -d "$1" ]; then say folder no-folder
  elif ! (cd -- "$1") 2>/dev/null; then say folder closed
  elif [ ! -w "$1" ]; then say folder read-only
  else say folder ready; fi
}
`;

/**
 * A tool that is only asked for its version makes a home all the same, so it gets one that goes again. An interactive
 * login shell may know more places than the PATH of a login without a terminal (nvm, ~/.local/bin).
 */
export const TOOL_SCRIPT = `
homes=$(mktemp -d 2>/dev/null)
trap 'rm -rf "$homes"' EXIT
inert() {
  case $1 in
    */*) [ -e "$1" ] && say tool "$2" inert "$1" ;;
    *) (IFS=:; for each in $PATH; do [ -f "$each/$1" ] && say tool "$2" inert "$each/$1" && break; done) ;;
  esac
}
beside() {
  case $1 in '' | *[!A-Za-z0-9._-]*) return ;; esac
  limit 15 "\${SHELL:-sh}" -lic "command -v $1" </dev/null 2>/dev/null | grep "^/.*/$1$" | tail -n 1
}
tool() {
  path=$(command -v "$2" 2>/dev/null)
  { [ -f "$path" ] && [ -x "$path" ]; } || path= # some shells name a path whatever it is
  if [ -n "$path" ]; then say tool "$1" path "$path"; else
    inert "$2" "$1"
    path=$(beside "$2")
    [ -n "$path" ] || return
    say tool "$1" shell "$path"
  fi
  [ -n "$homes" ] || return
  said=$(limit 15 env CODEX_HOME="$homes" CLAUDE_CONFIG_DIR="$homes" "$path" --version </dev/null 2>"$homes/err")
  code=$?
  if [ "$code" -eq 0 ]; then said=$(printf '%s\\n' "$said" | head -n 1); else said=$(tail -n 1 "$homes/err"); fi
  say tool "$1" exit "$code $said"
}
`;
