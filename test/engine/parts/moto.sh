#!/usr/bin/env bash
# Makes a Python environment with moto's server in FOLDER, unless it is there already. A marker comes last: environments
# cannot be moved once they are made.
set -euo pipefail

main() {
  local folder=$1 version=$2
  [ ! -e "$folder/ready" ] || return 0
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "moto[ec2,iam,server]==$version"
  : >"$folder/ready"
}

main "$@"
