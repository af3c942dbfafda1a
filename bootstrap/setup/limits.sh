# Limits: room for two hundred agents, and an end to what grows.

LIMITS_TEXT="# Of the fleet: agents open many files and begin many processes.
* soft nofile 65536
* hard nofile 1048576
* soft nproc unlimited
* hard nproc unlimited"
have_limits() { holds /etc/security/limits.d/90-miyabi.conf "$LIMITS_TEXT" || { WHY='files and processes are limited'; return 1; }; }
make_limits() { printf '%s\n' "$LIMITS_TEXT" | put_file /etc/security/limits.d/90-miyabi.conf 644; }
skip_limits() { [ -d /etc/security ] && return 1; WHY='no /etc/security'; }

SYSCTL_TEXT="# Of the fleet: agents watch files, and two hundred of them begin processes at once.
fs.inotify.max_user_watches = 1048576
fs.inotify.max_user_instances = 8192
kernel.pid_max = 4194304"
have_sysctl() { holds /etc/sysctl.d/90-miyabi.conf "$SYSCTL_TEXT" || { WHY='watches and process ids are few'; return 1; }; }
make_sysctl() {
  printf '%s\n' "$SYSCTL_TEXT" | put_file /etc/sysctl.d/90-miyabi.conf 644
  sysctl -q -p /etc/sysctl.d/90-miyabi.conf || :
}
skip_sysctl() { in_container && WHY='a container: its host decides'; }

# One connection a node, many channels, and logins that come at once.
SSHD_TEXT="# Of the fleet.
MaxSessions 64
MaxStartups 64:30:256
ClientAliveInterval 15
ClientAliveCountMax 8"
skip_sshd() { [ -d /etc/ssh/sshd_config.d ] && has sshd && return 1; WHY='no OpenSSH server'; }
have_sshd() { holds /etc/ssh/sshd_config.d/90-miyabi.conf "$SSHD_TEXT" || { WHY='logins are few at a time'; return 1; }; }
# Not taken if the server would not begin with it: whoever is in would be the last one.
make_sshd() {
  printf '%s\n' "$SSHD_TEXT" | put_file /etc/ssh/sshd_config.d/90-miyabi.conf 644
  mkdir -p /run/sshd
  sshd -t || { rm -f /etc/ssh/sshd_config.d/90-miyabi.conf; WHY='the SSH server refused it'; return 1; }
  ! has_systemd || systemctl reload ssh 2>/dev/null || systemctl reload sshd 2>/dev/null || :
}

# With the first version of control groups only root can hold memory: at each boot a place is made where the user can, too.
# The second version passes that on by itself.
MEMORY_PLACE=/sys/fs/cgroup/memory
memory_text() { printf '%s\n' '# Of the fleet.' "d $MEMORY_PLACE/miyabi 0755 root root -" "d $MEMORY_PLACE/miyabi/$1 0755 $1 root -"; }
skip_memory() {
  [ -w "$MEMORY_PLACE" ] && has systemd-tmpfiles && return 1
  WHY='control groups pass their limits on'
}
have_memory() {
  local id
  id=$(id -u "$FLEET_USER") && holds /etc/tmpfiles.d/miyabi.conf "$(memory_text "$id")" && [ -d "$MEMORY_PLACE/miyabi/$id" ] && return
  WHY='the memory of agents is not held'
  return 1
}
make_memory() {
  memory_text "$(id -u "$FLEET_USER")" | put_file /etc/tmpfiles.d/miyabi.conf 644 && systemd-tmpfiles --create /etc/tmpfiles.d/miyabi.conf
}

JOURNALD_TEXT="# Of the fleet.
[Journal]
SystemMaxUse=500M
RuntimeMaxUse=100M"
skip_journald() { has_systemd && return 1; WHY='no systemd'; }
have_journald() { holds /etc/systemd/journald.conf.d/90-miyabi.conf "$JOURNALD_TEXT" || { WHY='logs grow without end'; return 1; }; }
make_journald() {
  printf '%s\n' "$JOURNALD_TEXT" | put_file /etc/systemd/journald.conf.d/90-miyabi.conf 644
  systemctl restart systemd-journald
}

LOGROTATE_TEXT="/var/log/miyabi-*.log {
  weekly
  rotate 4
  size 10M
  compress
  missingok
  notifempty
}"
skip_logrotate() { [ -d /etc/logrotate.d ] && return 1; WHY='no logrotate'; }
have_logrotate() { holds /etc/logrotate.d/miyabi "$LOGROTATE_TEXT" || { WHY='its logs grow'; return 1; }; }
make_logrotate() { printf '%s\n' "$LOGROTATE_TEXT" | put_file /etc/logrotate.d/miyabi 644; }

# Memory for a moment of need: an agent too many is slow, and not the end of all.
SWAP_FILE=/var/lib/miyabi/swap
SWAP_GIB=4
skip_swap() {
  if in_container; then WHY='a container: its host decides'; return 0; fi
  [ "$(awk '/^SwapTotal:/ { print $2 }' /proc/meminfo)" -gt 0 ] && ! [ -e "$SWAP_FILE" ] && WHY='there is swap already'
}
have_swap() {
  if grep -qs "^$SWAP_FILE " /proc/swaps && grep -qs "^$SWAP_FILE " /etc/fstab; then return 0; fi
  WHY='no swap'
  return 1
}
make_swap() {
  local free
  free=$(df --output=avail -k /var/lib | tail -n 1)
  [ "$free" -gt $((3 * SWAP_GIB * 1048576)) ] || { WHY="too little room for ${SWAP_GIB} GiB"; return 1; }
  mkdir -p "${SWAP_FILE%/*}"
  swapoff "$SWAP_FILE" 2>/dev/null
  rm -f "$SWAP_FILE" && (umask 077 && fallocate -l "${SWAP_GIB}G" "$SWAP_FILE") && mkswap -q "$SWAP_FILE" && swapon "$SWAP_FILE" || return 1
  grep -qs "^$SWAP_FILE " /etc/fstab || printf '%s none swap sw 0 0\n' "$SWAP_FILE" >>/etc/fstab
}
