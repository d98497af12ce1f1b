# Targets people use: make run, make test, make test-slow, make check, make coverage. Only python3 and make are needed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-slow coverage bench-gpu check fix clean

run: .venv/.run .venv/.fetched
	$(BIN)/python app.py

test: .venv/.dev
	$(BIN)/python -m pytest -n auto --dist loadfile

# What `make test` leaves out to stay under five minutes on two cores.
test-slow: .venv/.dev
	$(BIN)/python -m pytest -m slow -n auto --dist loadfile --ignore tests/walk
	$(BIN)/python -m pytest -m slow -n auto --dist loadfile tests/walk  # apart: Playwright starts once in a process

# Slower than `make test`: every line is traced. What tests start as a process of its own is not counted.
coverage: .venv/.dev
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term:skip-covered --cov-report=html

bench-gpu: .venv/.run
	$(BIN)/python -m sr_demo bench gpu

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/check_words.py
	$(BIN)/basedpyright
	$(BIN)/basedpyright -p tests

fix: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/.uv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	touch $@

.venv/.run: .venv/.uv requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt
	touch $@

# Once, and never fatal: the page runs without them. `SR_DEMO_FETCH=0 make run` leaves it out.
.venv/.fetched: | .venv/.run
	@if [ "$$SR_DEMO_FETCH" != 0 ]; then \
	  echo "Fetching the published networks once (about 130 MB; SR_DEMO_FETCH=0 leaves it out) ..."; \
	  $(BIN)/python -m sr_demo fetch --recommended || \
	    echo "Some are missing; the page runs without them. Again: $(BIN)/python -m sr_demo fetch --recommended"; \
	  touch $@; \
	fi

.venv/.dev: .venv/.uv requirements.txt requirements-dev.txt requirements-export.txt requirements-diffusion.txt requirements-mcp.txt requirements-measures.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt
	touch $@ .venv/.run

clean:
	rm -rf .venv .pytest_cache .ruff_cache .coverage htmlcov
