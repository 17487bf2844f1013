#!/bin/sh
# Start a Ceph cluster of one node and its S3 gateway, in the foreground. What is stored lies in $S3_HOME and stays.
#
# S3_HOME, S3_HOST and S3_PORT (the gateway's), MON_PORT; the keys of the only user: S3_ACCESS_KEY and S3_SECRET_KEY,
# or a file SECRETS_FILE that exports them; S3_BYTES: the size of the store.
set -eu
if [ -n "${SECRETS_FILE:-}" ]; then
  # shellcheck disable=SC1090
  . "$SECRETS_FILE"
fi
mkdir -p "$S3_HOME"
cd "$S3_HOME"
export CEPH_CONF="$S3_HOME/ceph.conf"
first=false
if [ ! -e complete ]; then
  first=true
  rm -rf mon mgr osd monmap
  mkdir mon mgr osd
  cat /proc/sys/kernel/random/uuid >fsid
fi
cat >ceph.conf <<END
[global]
fsid = $(cat fsid)
mon host = [v1:127.0.0.1:$MON_PORT]
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
osd memory target = 1073741824
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
run dir = $S3_HOME
log file =
log to stderr = true
admin socket = $S3_HOME/\$name.asok
pid file = $S3_HOME/\$name.pid
mon data = $S3_HOME/mon
mgr data = $S3_HOME/mgr
osd data = $S3_HOME/osd
osd objectstore = bluestore
bluestore block size = $S3_BYTES
mgr initial modules =
setuser match path =
rgw frontends = beast endpoint=$S3_HOST:$S3_PORT
rgw enable ops log = false
ms bind ipv6 = false
END

until_true() {
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 360 ] || { echo "not so after 180 s: $*" >&2; exit 1; }
    sleep 0.5
  done
}
start_osd() {
  ceph-osd -f -i 0 >&3 2>&3 &
  osd=$!
  pids="$osd $pids"
}
osd_is_up() {
  # It ends at once if it asks the monitor for something before it was told the cluster's id ("wrong fsid").
  kill -0 "$osd" 2>/dev/null || start_osd
  ceph osd stat | grep -q '1 up'
}

if $first; then
  monmaptool --create --fsid "$(cat fsid)" --addv a "[v1:127.0.0.1:$MON_PORT]" monmap
  ceph-mon --mkfs -i a --monmap monmap
fi
pids=""
stop() { # the gateway first: it cannot end without the others
  trap - EXIT TERM INT
  for pid in $pids; do
    kill "$pid" 2>/dev/null || continue
    wait "$pid" || true
  done
}
trap stop EXIT
trap 'exit 143' TERM INT
ceph-mon -f -i a &
pids="$!"
until_true ceph --connect-timeout 5 mon stat
ceph-mgr -f -i x &
pids="$! $pids"
if $first; then
  uuid=$(cat /proc/sys/kernel/random/uuid)
  # A monitor that has just been elected may refuse commands ("problem getting command descriptions").
  until_true ceph osd new "$uuid"
  ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
fi
exec 3>&2 # for the OSD's log, also where it is started again and until_true drops what is said
start_osd
until_true osd_is_up
if $first; then
  radosgw-admin user create --uid=batchscore --display-name=batchscore \
    --access-key="$S3_ACCESS_KEY" --secret-key="$S3_SECRET_KEY" >/dev/null
  touch complete
fi
radosgw -f -n client.rgw &
pids="$! $pids"
wait "$!"
