# syntax=docker/dockerfile:1.7
#
# The worker as a RunPod serverless image. Build for the platform that RunPod runs:
#
#     docker build --platform linux/amd64 -t talking-avatar .
#
# or, without torch and weights, for the renderer that needs no GPU:
#
#     docker build --platform linux/amd64 -t talking-avatar:preview \
#       --build-arg RENDERER=preview --build-arg REQUIREMENTS=requirements-local.txt --build-arg WEIGHTS=none .
#
# Layers go from what changes seldom to what changes often: dependencies, weights, default avatar, code.

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
COPY builder /build/builder
COPY engine /build/engine
WORKDIR /build
RUN --mount=type=secret,id=HF_TOKEN,env=HF_TOKEN,required=false \
    if [ "$WEIGHTS" = official ]; then python -m builder.fetch_models --dir /weights --no-pack; fi

# --- What the worker loads of them: packed to half their size, which takes the torch of requirements.txt -----------
FROM dependencies AS packed
ARG WEIGHTS=official
COPY --from=weights /weights /weights
COPY builder /build/builder
COPY engine /build/engine
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

# --- The worker --------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS worker
ARG RENDERER=musetalk
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
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
COPY handler.py test_input.json LICENSE ./
COPY worker worker
COPY engine engine
# Python is process 1: when it ends the container ends, and no orphaned heartbeat goes on.
CMD ["python", "-u", "handler.py"]
