# Two stages: the first fetches and checks every wheel against the lock and builds ours, the second
# holds Python, the sidecar with its run-time dependencies, and a user who owns nothing but its state.

FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN pip wheel --no-cache-dir --require-hashes --wheel-dir /wheels --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY sidecar ./sidecar
# From here on nothing is fetched: only what passed the hashes above can be installed.
RUN pip wheel --no-index --find-links /wheels --no-deps --wheel-dir /wheels . \
 && python -m venv /opt/risk-sidecar \
 && /opt/risk-sidecar/bin/pip install --no-cache-dir --no-index --find-links /wheels coinbase-risk-sidecar

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/risk-sidecar --create-home sidecar
COPY --from=build /opt/risk-sidecar /opt/risk-sidecar
ENV PATH=/opt/risk-sidecar/bin:$PATH PYTHONUNBUFFERED=1
USER sidecar
WORKDIR /var/lib/risk-sidecar
VOLUME /var/lib/risk-sidecar
ENTRYPOINT ["risk-sidecar"]
CMD ["-h"]
