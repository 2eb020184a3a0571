# One image for every process: webserver, daemon, code server, prediction worker, MLflow, feed.
#   docker build -t soccer_assets .
# On one machine, one container is the whole; it brings its PostgreSQL:
#   docker run --name soccer -p 127.0.0.1:3000:3000 -p 8008:8008 -v soccer:/var/lib/soccer soccer_assets
#   docker exec soccer soccer serve --host 0.0.0.0
# Several containers share services instead, see deploy/compose.yaml and deploy/helm.

FROM python:3.11-slim AS wheel
WORKDIR /source
COPY requirements.lock ./
RUN grep '^setuptools==' requirements.lock | pip install --no-cache-dir --no-deps -r /dev/stdin
COPY pyproject.toml setup.py soccer_assets.pth README.md dagster.yaml workspace.yaml ./
COPY soccer_assets ./soccer_assets
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim

# git: DVC's workspace is a repository. libgomp1: LightGBM.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git libgomp1 \
    && rm -rf /var/lib/apt/lists/*

# Nothing here needs root.
RUN useradd --create-home --uid 1000 soccer && install -d -o soccer /var/lib/soccer && install -d /app
WORKDIR /app

# Dependencies first: an edit of the code does not install them again. What runs, and neither tests
# nor tools; for LIVESCORES_SOURCE=browser: --build-arg LOCK=requirements.lock, which has all.
ARG LOCK=requirements.runtime.lock
COPY ${LOCK} /tmp/requirements.lock
RUN pip install --no-cache-dir --no-deps -r /tmp/requirements.lock

COPY --from=wheel /wheels /tmp/wheels
RUN pip install --no-cache-dir --no-deps --no-index /tmp/wheels/*.whl && rm -r /tmp/wheels
COPY dagster.yaml workspace.yaml ./

# By number, so that Kubernetes sees that it is not root.
USER 1000
ENV SOCCER_HOME=/var/lib/soccer DAGSTER_HOME=/app PYTHONUNBUFFERED=1
EXPOSE 3000 8008

# Of the command below; other processes bring their own, with another address (see compose.yaml).
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "-m", "soccer_assets.health"]
CMD ["dagster", "dev", "--host", "0.0.0.0", "--port", "3000"]
