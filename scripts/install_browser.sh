#!/bin/sh
# What `make test-ui` needs beside Python and Node: Chromium, on Debian or Ubuntu installed where it is missing.
set -eu
command -v chromium >/dev/null || command -v chromium-browser >/dev/null && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "not root: please install chromium" >&2
  exit 1
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium
