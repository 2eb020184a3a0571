# SeaweedFS where MinIO would be: its address, its login, its volume.
set -eu
cat > /s3.json <<EOF
{"identities": [{"name": "root", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "$MINIO_ROOT_USER", "secretKey": "$(cat "$MINIO_ROOT_PASSWORD_FILE")"}]}]}
EOF
exec weed server -dir=/data -ip="$(hostname)" -ip.bind=0.0.0.0 -filer -s3 -s3.port=9000 \
  -s3.config=/s3.json -master.volumeSizeLimitMB=256 -volume.max=0
