# As the entry point of the image postgres: a new database is made and prepared, then served.
set -eu
as_postgres="setpriv --reuid postgres --regid postgres --clear-groups --"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  chown postgres "$PGDATA" && chmod 700 "$PGDATA"
  $as_postgres initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
    --auth-local=trust --auth-host=scram-sha-256
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  mkdir -p /run/postgresql && chown postgres /run/postgresql
  $as_postgres pg_ctl start --wait -D "$PGDATA" -o "-c listen_addresses="
  createdb --username "$POSTGRES_USER" "$POSTGRES_DB"
  for script in /docker-entrypoint-initdb.d/*.sh; do "$script"; done
  $as_postgres pg_ctl stop --wait --mode fast -D "$PGDATA"
fi
mkdir -p /run/postgresql && chown postgres /run/postgresql
exec $as_postgres "$@" -c listen_addresses='*'
