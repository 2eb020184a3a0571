#!/bin/sh
# Makes random passwords, and the files that hand them to the services of compose.yaml. What is there
# already stays: PostgreSQL and MinIO keep the passwords that they were first started with.
#   deploy/make-secrets.sh [FOLDER]
set -eu
folder=${1:-$(dirname "$0")/secrets}

# The folder keeps others out; its files are mounted one by one, and read in the containers by users
# whom this machine does not know.
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

keep() { # NAME: what is on the input, unless there is something
  [ -s "$1" ] || { cat > "$1.new" && chmod 444 "$1.new" && mv "$1.new" "$1"; }
}
random() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

for name in postgres_password mlflow_database_password minio_password serving_token grafana_password; do
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
