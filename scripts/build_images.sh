#!/bin/sh
# `make test-image`: build the images of docker/ without an engine: buildah runs each step in a chroot.
#
# usage: build_images.sh FOLDER [airflow] [spark] [s3]     root, on Debian or Ubuntu; FOLDER keeps the images, 12 GB for all
#
# No registry is asked. debootstrap makes debian:12.13-slim, and Debian's Python 3.11 takes the place of the official image's.
set -eu
folder=$1
shift
need=""
for program in buildah debootstrap; do command -v "$program" >/dev/null || need="$need $program"; done
if [ -n "$need" ]; then
  apt-get update -q
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $need
fi
buildah() { command buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver overlay "$@"; }
base() { sed -n "s/^FROM \($1:[^ ]*\).*/\1/p" "$2" | head -1; }

mkdir -p "$folder"
debian=docker.io/library/$(base debian docker/s3/Dockerfile)
if ! buildah inspect --type image "$debian" >/dev/null 2>&1; then
  debootstrap --variant=minbase bookworm "$folder/debian"
  # pip trusts whom this machine trusts, such as a mirror of its own.
  install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$folder/debian/etc/ssl/machine.crt"
  printf '[global]\ncert = /etc/ssl/machine.crt\n' >"$folder/debian/etc/pip.conf"
  container=$(buildah from scratch)
  buildah copy -q "$container" "$folder/debian" /
  buildah commit -q --rm "$container" "$debian"
  rm -rf "$folder/debian"
fi
python=docker.io/library/$(base python docker/Dockerfile)
if ! buildah inspect --type image "$python" >/dev/null 2>&1; then
  container=$(buildah from --pull-never "$debian")
  # pip 24.0 is what the official image's `python -m venv` installs; Debian's 23.0 takes no hashes for `celery[redis]`.
  buildah run --isolation chroot "$container" -- sh -c 'set -e
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3.11-venv
    ln -s /usr/bin/python3.11 /usr/local/bin/python
    python -m venv /tmp/venv
    rm /usr/share/python-wheels/pip-*
    /tmp/venv/bin/pip download -q --no-deps -d /usr/share/python-wheels pip==24.0
    rm -r /tmp/venv'
  buildah commit -q --rm "$container" "$python"
fi
for target in "$@"; do
  if [ "$target" = s3 ]; then
    buildah build --layers --isolation chroot --pull-never -t batchscore-s3 docker/s3
  else
    buildah build --layers --isolation chroot --pull-never --target "$target" -t "batchscore-$target" -f docker/Dockerfile .
  fi
done
