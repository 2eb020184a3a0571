# One image for every process: webserver, daemon, code server, prediction worker, feed.
#   docker build -t soccer_assets .
# On one machine, one container is the whole; it brings its PostgreSQL:
#   docker run --name soccer -p 3000:3000 -p 8008:8008 -v soccer:/var/lib/soccer soccer_assets
#   docker exec soccer soccer serve --host 0.0.0.0
# Several containers share services instead: POSTGRES_URL, LAKE_URI and MLFLOW_TRACKING_URI.
FROM python:3.11-slim

# git: DVC's workspace is a repository. libgomp1: LightGBM.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git libgomp1 \
    && rm -rf /var/lib/apt/lists/*

# Nothing here needs root.
RUN useradd --create-home --uid 1000 soccer && install -d -o soccer /var/lib/soccer /app
WORKDIR /app

# Dependencies first: an edit of the code does not install them again. Those of all extras, browser
# among them: what LIVESCORES_SOURCE says is for the container to know, not for the image.
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps -r requirements.lock

COPY pyproject.toml setup.py soccer_assets.pth README.md dagster.yaml workspace.yaml ./
COPY soccer_assets ./soccer_assets
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .

USER soccer
ENV SOCCER_HOME=/var/lib/soccer DAGSTER_HOME=/app PYTHONUNBUFFERED=1
VOLUME /var/lib/soccer
EXPOSE 3000 8008

CMD ["dagster", "dev", "--host", "0.0.0.0", "--port", "3000"]
