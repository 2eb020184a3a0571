#!/bin/sh
# Of the image's first start: MLflow's database, and a role that can reach no other.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set password="$(cat /run/secrets/mlflow_database_password)" <<'EOF'
CREATE ROLE mlflow LOGIN PASSWORD :'password';
CREATE DATABASE mlflow OWNER mlflow;
REVOKE CONNECT ON DATABASE soccer FROM PUBLIC;
REVOKE CONNECT ON DATABASE mlflow FROM PUBLIC;
EOF
