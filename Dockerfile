# syntax=docker/dockerfile:1.10
#
# The images that are deployed. Build for the platform that RunPod runs:
#
#     docker build --platform linux/amd64 -t talking-avatar .                        the worker, for a queue
#     docker build --platform linux/amd64 -t talking-avatar-api --target shim .      the REST server before it
#     docker build --platform linux/amd64 -t talking-avatar-lb --target balanced .   both in one, for load balancing
#
# The worker without weights, for WEIGHTS_DIR on a network volume:   --build-arg WEIGHTS=none
# and without torch, for the renderer that needs no GPU:
#
#     docker build --platform linux/amd64 -t talking-avatar:preview \
#       --build-arg RENDERER=preview --build-arg REQUIREMENTS=requirements-local.txt --build-arg WEIGHTS=none .
#
# Layers go from what changes seldom to what changes often: dependencies, weights, default avatar, code.
# docs/deploy.md has their sizes.

# A tag moves. A release is built with the digest that its workflow finds behind the tag, and says it in the image's
# label org.opencontainers.image.base.name. By hand: docker buildx imagetools inspect python:3.11-slim-bookworm, and
#     --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- What Python needs, in a virtual environment of its own -----------------------------------------------------
FROM ${PYTHON_IMAGE} AS dependencies
# requirements.txt: torch with CUDA. requirements-local.txt: the preview renderer and the keyless voice.
ARG REQUIREMENTS=requirements.txt
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY builder/requirements*.txt /tmp/builder/
RUN /opt/venv/bin/pip install -r /tmp/builder/${REQUIREMENTS}

# --- The networks' weights, verified against builder/models.json -------------------------------------------------
FROM ${PYTHON_IMAGE} AS weights
# official: downloaded here. none: for the preview renderer, or for WEIGHTS_DIR on a network volume.
ARG WEIGHTS=official
RUN mkdir /weights
COPY builder/requirements-local.txt /tmp/
RUN if [ "$WEIGHTS" = official ]; then pip install --no-cache-dir -r /tmp/requirements-local.txt; fi
# Only what fetches: no other change of the code downloads the weights again.
COPY builder/__init__.py builder/fetch_*.py builder/weights_*.py builder/downloads.py builder/packing.py builder/part_file.py \
     builder/progress.py builder/source_answers.py builder/models.json /build/builder/
COPY engine/__init__.py engine/cancel.py engine/errors.py /build/engine/
COPY engine/nets/__init__.py engine/nets/weight_files.py /build/engine/nets/
WORKDIR /build
RUN --mount=type=secret,id=HF_TOKEN,env=HF_TOKEN,required=false \
    if [ "$WEIGHTS" = official ]; then python -m builder.fetch_models --dir /weights --no-pack; fi

# --- What the worker loads of them: packed to half their size, which takes the torch of requirements.txt -----------
FROM dependencies AS packed
ARG WEIGHTS=official
COPY --from=weights /weights /weights
COPY builder/__init__.py builder/fetch_*.py builder/weights_*.py builder/downloads.py builder/packing.py builder/part_file.py \
     builder/progress.py builder/source_answers.py builder/models.json /build/builder/
COPY engine/__init__.py engine/cancel.py engine/errors.py /build/engine/
COPY engine/nets /build/engine/nets
WORKDIR /build
RUN mkdir /loaded; \
    if [ "$WEIGHTS" = official ]; then \
        /opt/venv/bin/python -m builder.fetch_models --dir /weights && mv /weights/packed /weights/dwpose /weights/.fetch_models.json /loaded; \
    fi

# --- The default avatar's video: matplotlib, whose wheel carries the portrait, stays in this stage ---------------
FROM ${PYTHON_IMAGE} AS avatar
COPY builder/requirements-local.txt /tmp/
RUN pip install --no-cache-dir -r /tmp/requirements-local.txt
COPY builder /build/builder
COPY engine /build/engine
WORKDIR /build
RUN python -m builder.default_avatar --out /avatars/default.mp4

# --- The REST server: no torch, no OpenCV, no FFmpeg -------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS shim-dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY builder/requirements-shim.txt /tmp/builder/
RUN /opt/venv/bin/pip install -r /tmp/builder/requirements-shim.txt

FROM ${PYTHON_IMAGE} AS shim
ARG PYTHON_IMAGE
LABEL org.opencontainers.image.base.name=${PYTHON_IMAGE}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000
COPY --from=shim-dependencies /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE ./
COPY worker worker
COPY engine engine
COPY shim shim
RUN python -m compileall -q /app
USER nobody
EXPOSE 8000
CMD ["python", "-m", "shim"]

# --- What draws -------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS drawing
ARG PYTHON_IMAGE
ARG RENDERER=musetalk
LABEL org.opencontainers.image.base.name=${PYTHON_IMAGE}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 \
    RUNPOD_DEBUG_LEVEL=INFO \
    RENDERER=${RENDERER} \
    WEIGHTS_DIR=/weights \
    AVATAR_DIRS=/app/avatars \
    DEFAULT_AVATAR=/app/avatars/default.mp4
# Without `video` the container doesn't see the GPU's encoder.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
# Triton builds a small C library around every kernel that it launches; Python's headers are in the base image.
# By the packages' Installed-Size about 200 MB, 54 MB to download.
RUN if [ "$RENDERER" = musetalk ]; then \
        apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=packed /loaded /weights
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=avatar /avatars /app/avatars
WORKDIR /app
COPY LICENSE ./
COPY worker worker
COPY engine engine

# --- Both in one, for load-balancing endpoints: the REST server with the engine in its process --------------------
FROM drawing AS balanced
COPY builder/requirements-shim.txt /tmp/builder/
RUN pip install --no-cache-dir -r /tmp/builder/requirements-shim.txt
COPY shim shim
RUN python -m compileall -q /app
# The balancer sends requests, and asks /ping, at this port.
ENV HOST=0.0.0.0 \
    PORT=80
CMD ["python", "-m", "shim"]

# --- The worker, last: it is what is built where no target can be named --------------------------------------------
FROM drawing AS worker
COPY handler.py test_input.json ./
RUN python -m compileall -q /app
# Python is process 1: when it ends the container ends, and no orphaned heartbeat goes on.
CMD ["python", "-u", "handler.py"]
