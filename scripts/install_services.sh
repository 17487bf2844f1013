#!/bin/sh
# What `make test-services` and `make containers` need beside Python, on Debian or Ubuntu: installed where it is missing.
set -eu
need=""
command -v redis-server >/dev/null || need="$need redis-server"
{ command -v postgres || ls /usr/lib/postgresql/*/bin/postgres; } >/dev/null 2>&1 || need="$need postgresql"
command -v docker-compose >/dev/null || need="$need docker-compose" # only to check a file; it brings no engine
command -v curl >/dev/null || need="$need curl"
command -v java >/dev/null || need="$need openjdk-17-jre-headless"
for program in ceph:ceph-common ceph-mon:ceph-mon ceph-mgr:ceph-mgr ceph-osd:ceph-osd radosgw:radosgw; do
  command -v "${program%:*}" >/dev/null || need="$need ${program#*:}"
done
[ -z "$need" ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "not root: please install$need" >&2
  exit 1
fi
apt-get update -q
# RUNLEVEL=1: the packages' own servers are not wanted.
# shellcheck disable=SC2086
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $need
