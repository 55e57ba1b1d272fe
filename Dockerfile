# An image is a clone of one commit with its environment: it works off a pool as any other clone does.
#
#   docker build --target cpu -t tidegate .          docker build --target gpu -t tidegate-gpu .
#   docker build --target serve -t tidegate-serve .  the service alone: no TensorFlow, no git history
#
# The environment stands in /opt/venv, so that a workspace can be mounted over /tidegate (compose.yaml does).

FROM python:3.11-slim-bookworm AS cpu
RUN apt-get update \
    && apt-get install -y --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*' \
    && useradd --create-home --uid 1000 tide \
    && install -d -o tide -g tide /tidegate /opt/venv
USER tide
WORKDIR /tidegate
# First what seldom changes: a change of the code alone installs nothing anew.
COPY --chown=tide requirements/uv.txt requirements/lock.txt requirements/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install -q --no-cache-dir --require-hashes -r requirements/uv.txt \
    && /opt/venv/bin/uv pip sync -q --no-cache --python /opt/venv/bin/python --require-hashes --compile-bytecode \
        requirements/lock.txt requirements/uv.txt
COPY --chown=tide . .
RUN make install VENV=/opt/venv
ENV PATH=/opt/venv/bin:$PATH TIDEGATE_HOME=/tidegate DO_NOT_TRACK=1
CMD ["prefect", "worker", "start", "--pool", "tidegate", "--limit", "1"]

FROM python:3.11-slim-bookworm AS serve
RUN useradd --create-home --uid 1000 tide && install -d -o tide -g tide /tidegate /opt/venv
USER tide
WORKDIR /tidegate
COPY --chown=tide requirements/uv.txt requirements/serve.txt requirements/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install -q --no-cache-dir --require-hashes -r requirements/uv.txt \
    && /opt/venv/bin/uv pip sync -q --no-cache --python /opt/venv/bin/python --require-hashes --compile-bytecode \
        requirements/serve.txt
COPY --chown=tide params.yaml ./
COPY --chown=tide models models
COPY --chown=tide tidegate tidegate
ENV PATH=/opt/venv/bin:$PATH DO_NOT_TRACK=1 GIT_PYTHON_REFRESH=quiet
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=5)"]
CMD ["python", "-m", "tidegate", "serve", "--host", "0.0.0.0"]

FROM cpu AS gpu
# CUDA and cuDNN beside the same TensorFlow, and NVIDIA's library that says how busy a GPU is.
RUN uv pip install -q --no-cache --python /opt/venv/bin/python --require-hashes -r requirements/gpu.txt
CMD ["prefect", "worker", "start", "--pool", "gpu", "--limit", "1"]
