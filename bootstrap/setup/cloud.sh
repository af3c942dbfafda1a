# The SSM agent: the way in that needs no open port. Images of Ubuntu bring it; elsewhere it comes from the snap store,
# which signs what it gives.

SSM_UNITS=(amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service)

skip_ssm() {
  is_instance || { WHY='no machine of EC2'; return 0; }
  has_systemd && return 1
  WHY='no systemd'
}

have_ssm() {
  local unit
  for unit in "${SSM_UNITS[@]}"; do
    systemctl is-active --quiet "$unit" && { WHY=${unit%.service}; return 0; }
  done
  WHY='it does not run'
  return 1
}

make_ssm() {
  local unit
  for unit in "${SSM_UNITS[@]}"; do
    systemctl cat "$unit" >/dev/null 2>&1 && { systemctl enable --now "$unit"; return; }
  done
  has snap || apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install snapd || return 1
  snap install --classic amazon-ssm-agent
}

is_instance() { [ -n "${IS_INSTANCE:-}" ] || grep -qsi '^amazon' /sys/class/dmi/id/sys_vendor; }
