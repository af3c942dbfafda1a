#!/usr/bin/env bash
# Builds the disk that all machines of the rig begin with: image.sh FOLDER SUITE PACKAGES <SOURCES
# Run under a lock. FOLDER/root is the disk; FOLDER/ready is made last, so without it nothing there counts.
set -euo pipefail

IMAGES_UNUSED_DAYS=30

# Only the first process in a machine may still remount what nspawn mounts read-only there; with these two writable,
# MemoryMax= and TasksMax= hold inside (cgroup v1). A host with cgroup v2 alone has neither, and needs neither.
write_init() {
  cat >"$1" <<'INIT'
#!/bin/sh
for tree in memory pids; do
  if [ -d "/sys/fs/cgroup/$tree" ]; then mount -o remount,rw,bind "/sys/fs/cgroup/$tree"; fi
done
exec /lib/systemd/systemd
INIT
  chmod 755 "$1"
}

# What must differ from machine to machine comes with each machine's own disk.
clear_identity() {
  local root=$1
  rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname"
  : >"$root/etc/machine-id"
  # Nothing here answers names; a quick refusal beats the long wait for a server that is not there.
  echo 'nameserver 127.0.0.1' >"$root/etc/resolv.conf"
  echo '127.0.0.1 localhost' >"$root/etc/hosts"
  echo 'LANG=C.UTF-8' >"$root/etc/default/locale"
}

# Programs in a machine trust whom this machine trusts, also where a proxy here signs for others.
copy_trust() {
  local root=$1 bundle=${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
  if [ -s "$bundle" ]; then cat "$bundle" >"$root/etc/ssl/certs/ca-certificates.crt"; fi
}

mask_timers() {
  local root=$1 unit
  for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
}

# cloud-init asks the hardware whether this is EC2, which a machine of the rig cannot answer, and brings a network of its own
# up before it asks for metadata, which is laid here before the boot.
meet_cloud() {
  local root=$1 source
  source=$(find "$root/usr/lib/python3" -path '*/cloudinit/sources/DataSourceEc2.py')
  [ -n "$source" ] || return 0
  sed -i 's#"/sys/hypervisor/uuid"#"/etc/rig-hypervisor-uuid"#; s/perform_dhcp_setup = True/perform_dhcp_setup = False/' "$source"
  echo ec2-rig >"$root/etc/rig-hypervisor-uuid"
  cat >"$root/etc/cloud/cloud.cfg.d/99-rig.cfg" <<'CONFIG'
datasource_list: [ Ec2 ]
datasource:
  Ec2: { strict_id: false, metadata_urls: [ "http://169.254.169.254" ], timeout: 5, max_wait: 30 }
network: { config: disabled }
locale: C.UTF-8
ssh_deletekeys: false
ssh_genkeytypes: [ ed25519 ]
CONFIG
}

remove_unused() {
  find "$1" -maxdepth 2 -name ready -mtime "+$IMAGES_UNUSED_DAYS" -printf '%h\n' | xargs -r rm -rf
}

main() {
  local folder=$1 suite=$2 packages=$3
  if [ -e "$folder/ready" ]; then
    touch "$folder/ready"
    return
  fi
  rm -rf "$folder"
  mkdir -p "$folder"
  chmod 700 "$folder"
  mmdebstrap --mode=root --variant=minbase --quiet --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "$folder/root" -
  write_init "$folder/root/sbin/rig-init"
  clear_identity "$folder/root"
  copy_trust "$folder/root"
  mask_timers "$folder/root"
  meet_cloud "$folder/root"
  touch "$folder/ready"
  remove_unused "$(dirname "$folder")"
}

main "$@"
