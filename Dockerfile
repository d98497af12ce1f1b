# The page on a processor, as an ordinary user, with the embedded weights inside: works without a network.
#   docker build -t sr-demo .    docker run --rm -p 7860:7860 sr-demo
# With published networks inside (130 MB more): docker build --build-arg FETCH=--recommended -t sr-demo .
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 app
WORKDIR /app
COPY requirements.txt requirements-mcp.txt ./
# torch and torchvision from the same place, without CUDA: 5 GB less.
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu torch torchvision \
    && pip install --no-cache-dir -r requirements.txt -r requirements-mcp.txt
COPY --chown=app app.py ./
COPY --chown=app sr_demo ./sr_demo
COPY --chown=app weights ./weights
COPY --chown=app assets ./assets

USER app
# Each start would compile our code again otherwise: what a container writes is lost with it.
RUN python -m compileall -q sr_demo
# Made here, so that a volume in its place belongs to this user.
RUN mkdir /home/app/cache
ARG FETCH=""
RUN if [ -n "$FETCH" ]; then SR_DEMO_CACHE=/home/app/cache python -m sr_demo fetch $FETCH; fi
ENV SR_DEMO_HOST=0.0.0.0 SR_DEMO_CACHE=/home/app/cache HF_HUB_OFFLINE=1 GRADIO_ANALYTICS_ENABLED=False PYTHONUNBUFFERED=1
VOLUME /home/app/cache
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD python -c \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:${SR_DEMO_PORT:-7860}/config', timeout=5)"
CMD ["python", "app.py"]
