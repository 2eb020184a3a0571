#!/bin/sh
# Makes random passwords, and the files that hand them to the services of compose.yaml. What is there
# already stays: servers keep the passwords that they were first started with. So a password that was lost
# is read out of the other file that has it.
#   deploy/make-secrets.sh [FOLDER]
set -eu
folder=${1:-$(dirname "$0")/secrets}

# The folder keeps others out; its files are mounted one by one, and read in the containers by users
# whom this machine does not know.
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"
before=$(ls)

keep() { # NAME: what is on the input, unless there is something
  [ -s "$1" ] || { cat > "$1.new" && chmod 444 "$1.new" && mv "$1.new" "$1"; }
}
random() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
refuse() {
  echo "make-secrets.sh: $*" >&2
  exit 1
}

match() { # NAME OTHER BEGIN END: OTHER has, between the two, the password that NAME has
  [ -s "$2" ] || return 0
  # A line of another form is of somebody's own server; in an address, some characters are as %40.
  found=$(sed -n "s|^$3\(.*\)$4\$|\1|p" "$2" | head -n 1)
  case $found in *%*) found= ;; esac
  if [ -z "$found" ]; then
    [ -s "$1" ] || refuse "$1 is lost, and $2 does not tell it: write that password into $(pwd)/$1"
  elif [ ! -s "$1" ]; then
    printf %s "$found" | keep "$1"
  elif [ "$found" != "$(cat "$1")" ]; then
    refuse "$1 and $2 have two passwords: remove the wrong one from $(pwd), and start this again"
  fi
}
match postgres_password postgres_url 'postgresql://soccer:' '@postgres:5432/soccer'
match mlflow_database_password mlflow_database_url 'postgresql://mlflow:' '@postgres:5432/mlflow'
match minio_password s3_credentials 'aws_secret_access_key = ' ''

for name in postgres_password mlflow_database_password minio_password serving_token grafana_password; do
  [ -z "$before" ] || [ -s "$name" ] ||
    echo "make-secrets.sh: $name is new; what was started with another one has to be told" >&2
  random | keep "$name"
done
keep postgres_url <<EOF
postgresql://soccer:$(cat postgres_password)@postgres:5432/soccer
EOF
keep mlflow_database_url <<EOF
postgresql://mlflow:$(cat mlflow_database_password)@postgres:5432/mlflow
EOF
keep s3_credentials <<EOF
[default]
aws_access_key_id = soccer
aws_secret_access_key = $(cat minio_password)
EOF
echo "The secrets are in $(pwd)"
