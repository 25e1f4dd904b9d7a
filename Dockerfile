# The image of bridge: a virtual environment with the locked dependencies, a user who owns nothing, no shell at run time.
# Build it with `make image` or `docker build -t bridge .`; name the base by its digest where you can: --build-arg PYTHON=python@sha256:…
ARG PYTHON=python:3.11-slim-bookworm

# First the wheel, with the one build tool that the lock names.
FROM ${PYTHON} AS wheel
WORKDIR /srv/source
COPY . .
RUN awk '/^[a-z0-9]/ {keep = /^setuptools==/} keep' requirements-dev.lock > /srv/build.lock
RUN python -m venv /srv/build
RUN /srv/build/bin/pip install --quiet --no-cache-dir --only-binary :all: --require-hashes -r /srv/build.lock
RUN /srv/build/bin/pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir /srv/wheels .

# Then what it needs, each file with its hash, and the wheel. The kubernetes package is left out: with what it needs itself,
# it is two thirds of the whole, for kubeconfig users with `auth-provider` or a password only. bridge says so if one comes.
FROM ${PYTHON} AS installed
COPY requirements-image.lock /srv/requirements-image.lock
RUN python -m venv /opt/bridge
RUN /opt/bridge/bin/pip install --quiet --no-cache-dir --only-binary :all: --no-deps --require-hashes -r /srv/requirements-image.lock
COPY --from=wheel /srv/wheels /srv/wheels
RUN /opt/bridge/bin/pip install --quiet --no-cache-dir --no-deps --no-index /srv/wheels/*.whl
RUN /opt/bridge/bin/pip uninstall --quiet --yes pip setuptools

FROM ${PYTHON}
COPY --from=installed /opt/bridge /opt/bridge
# The root is read-only in the pod, and bytecode is there already.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["/opt/bridge/bin/bridge"]
