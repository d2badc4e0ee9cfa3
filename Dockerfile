# Two stages. The first installs what the locks name, every file checked against its hash, and builds
# the sidecar from the sources beside this file. The second holds Python, the sidecar, and a user who
# may write nothing but its state and its sockets. No configuration and no key is in any layer.

FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements-build.lock requirements-run.lock ./
RUN python -m venv /build \
 && python -m venv --without-pip /opt/risk-sidecar \
 && pip --python /build install --no-cache-dir --no-deps --only-binary :all: \
    --require-hashes --requirement requirements-build.lock \
 && pip --python /opt/risk-sidecar install --no-cache-dir --no-deps --only-binary :all: \
    --require-hashes --requirement requirements-run.lock
COPY pyproject.toml README.md LICENSE ./
COPY client ./client
COPY sidecar ./sidecar
# Nothing is fetched from here on.
RUN /build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels ./client . \
 && pip --python /opt/risk-sidecar install --no-index --no-deps /wheels/*.whl

FROM python:3.11-slim
# The uid is fixed: bots and mounted files refer to it. 0750: a bot of the group reaches the socket.
RUN groupadd --gid 10001 sidecar \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/risk-sidecar --no-create-home sidecar \
 && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/risk-sidecar \
 && install --directory --owner=10001 --group=10001 --mode=0750 /run/risk-sidecar
COPY --from=build /opt/risk-sidecar /opt/risk-sidecar
ENV PATH=/opt/risk-sidecar/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /var/lib/risk-sidecar
VOLUME ["/var/lib/risk-sidecar", "/run/risk-sidecar"]
STOPSIGNAL SIGTERM
# Asks the running sidecar as a bot does, over the order socket of config/live.toml.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
  CMD ["risk-sidecar", "status", "--json", "--order-socket", "/run/risk-sidecar/order.sock"]
USER 10001:10001
ENTRYPOINT ["risk-sidecar"]
CMD ["run", "--config", "/etc/risk-sidecar/config.toml", "--state-dir", "/var/lib/risk-sidecar"]
