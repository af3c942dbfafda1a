# Who works here: a user for the fleet, with the keys of its people.

have_user() {
  id -u "$FLEET_USER" >/dev/null 2>&1 || { WHY="no user $FLEET_USER"; return 1; }
  local home
  home=$(home_of "$FLEET_USER")
  [ "$(stat -c %U "$home" 2>/dev/null)" = "$FLEET_USER" ] || { WHY="its home is not its own"; return 1; }
  keys_are_there "$home" || { WHY="keys are missing"; return 1; }
  WHY=$FLEET_USER
}

make_user() {
  local home key
  id -u "$FLEET_USER" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$FLEET_USER" || return 1
  home=$(home_of "$FLEET_USER")
  install -d -o "$FLEET_USER" -g "$(id -gn "$FLEET_USER")" -m 750 "$home"
  [ -s "$SETUP_CONF/authorized_keys" ] || return 0
  install -d -o "$FLEET_USER" -g "$(id -gn "$FLEET_USER")" -m 700 "$home/.ssh"
  # Keys that somebody added by hand stay.
  while IFS= read -r key; do
    grep -qsxF -- "$key" "$home/.ssh/authorized_keys" || printf '%s\n' "$key" >>"$home/.ssh/authorized_keys"
  done <"$SETUP_CONF/authorized_keys"
  chown "$FLEET_USER:" "$home/.ssh/authorized_keys" && chmod 600 "$home/.ssh/authorized_keys"
}

home_of() { getent passwd "$1" | cut -d: -f6; }

keys_are_there() {
  local key
  [ -s "$SETUP_CONF/authorized_keys" ] || return 0
  while IFS= read -r key; do
    grep -qsxF -- "$key" "$1/.ssh/authorized_keys" || return 1
  done <"$SETUP_CONF/authorized_keys"
}

# Its processes outlive its logins: agents, their windows, what serves the controller.
skip_linger() { has_systemd && has loginctl && return 1; WHY='no systemd: nothing ends with a login here'; }
have_linger() { [ -e "/var/lib/systemd/linger/$FLEET_USER" ] || { WHY="$FLEET_USER does not linger"; return 1; }; }
make_linger() { loginctl enable-linger "$FLEET_USER"; }

# Windows of agents come back with the machine: a unit for each fleet, which its node program turns on.
windows_text() {
  cat <<TEXT
# Of the fleet.
[Unit]
Description=Windows of the agents of fleet %i

[Service]
Type=forking
ExecStart=/bin/sh -c 'exec bash "\$\$(ls -t "\$\$0"/bin/fleet-node-???????????????? | head -n 1)" windows "\$\$0"' %h/.miyabi/%i
KillMode=process

[Install]
WantedBy=$1
TEXT
}
skip_windows() { has_systemd && return 1; WHY='no systemd: the controller opens them'; }
have_windows() {
  holds /etc/systemd/user/miyabi-windows@.service "$(windows_text default.target)" &&
    holds /etc/systemd/system/miyabi-windows@.service "$(windows_text multi-user.target)" && return
  WHY='windows do not come back with the machine by themselves'
  return 1
}
make_windows() {
  windows_text default.target | put_file /etc/systemd/user/miyabi-windows@.service 644 &&
    windows_text multi-user.target | put_file /etc/systemd/system/miyabi-windows@.service 644 || return 1
  systemctl daemon-reload
  # A manager of the user that runs already reads its units anew.
  systemctl --user --machine="$FLEET_USER@.host" daemon-reload 2>/dev/null || :
}
