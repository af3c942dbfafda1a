#!/usr/bin/env bash
# One machine while it is on: machine.sh FOLDER IMAGE NSPAWN-WORD...
# Runs in a mount namespace of its own, so its mounts go with it however it ends. FOLDER holds upper/ work/ root/, groups
# (the machine's cgroups, version 2 first), and home.img mounted on home/ where the machine has a small disk for it.
# Exit: 0 it went off by itself or was asked to, 137 its power was cut, 1 it could not be put on (said on stderr).
set -euo pipefail

REBOOTS_MAX=100
REBOOT=133
TRIES_MAX=200

# A machine that was killed lets go of its disk some moments after its last process.
try_long() {
  local left=$TRIES_MAX
  until "$@"; do
    ((left-- > 0)) || return 1
    sleep 0.1
  done
}

# index=on: without it the kernel lets two machines write one disk at the same time.
mount_disk() {
  mount -t overlay rig -o "index=on,lowerdir=$image,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
}

mount_home() {
  [[ -z $(losetup -j "$folder/home.img") ]] && mount -o loop "$folder/home.img" "$folder/home"
}

# The groups come first: nspawn puts the machine below those of whoever starts it. The namespace of time makes the
# machine count its uptime from its own boot.
boot() {
  local group uptime
  for group in "${groups[@]}"; do echo "$BASHPID" >"$group/cgroup.procs"; done
  read -r uptime _ </proc/uptime
  uptime=${uptime%.*}
  echo "$BASHPID" >"$folder/nspawn.pid"
  exec unshare -T --boottime "-$uptime" --monotonic "-$uptime" systemd-nspawn -q -D "$folder/root" "$@" /sbin/rig-init
}

end_processes() {
  echo 1 >"${groups[0]}/cgroup.kill"
  try_long grep -q '^populated 0$' "${groups[0]}/cgroup.events"
}

main() {
  folder=$1 image=$2
  shift 2
  mapfile -t groups <"$folder/groups"
  try_long mount_disk 2>>"$folder/mount.log"
  if [[ -e $folder/home.img ]]; then try_long mount_home 2>>"$folder/mount.log"; fi
  local code=$REBOOT boots
  for ((boots = 0; code == REBOOT && boots <= REBOOTS_MAX; boots++)); do
    (boot "$@") &
    code=0
    wait $! || code=$?
    rm -f "$folder/nspawn.pid"
    end_processes
  done
  return "$code"
}

main "$@"
