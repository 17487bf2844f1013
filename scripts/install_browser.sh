#!/bin/sh
# What `make test-ui` needs beside Python and Node, on Debian or Ubuntu: installed where it is missing.
set -eu
need=""
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || need="$need chromium"
{ command -v postgres || ls /usr/lib/postgresql/*/bin/postgres; } >/dev/null 2>&1 || need="$need postgresql"
[ -z "$need" ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "not root: please install$need" >&2
  exit 1
fi
apt-get update -q
# RUNLEVEL=1: PostgreSQL's own server is not wanted.
# shellcheck disable=SC2086
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $need
