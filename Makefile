# make study | study-web | study-wide | smoke | test | lint | mutants | bench | report | figures | site | serve | site-test | lab | copies | clean
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
READY := $(BIN)/.installed

.PHONY: study study-web study-wide smoke test lint mutants bench report figures site serve site-test lab copies clean

study: $(READY)
	imbbench check
	dvc repro
	imbbench verify
	imbbench summary

study-web: $(READY)
	imbbench check
	dvc repro web/dvc.yaml

study-wide: $(READY)
	imbbench check
	dvc repro wide/dvc.yaml

smoke: $(READY)
	python tests/smoke.py smoke

test: $(READY)
	python -m pytest -n 2 --dist loadgroup

lint: $(READY)
	ruff check .
	ruff format --check .

mutants: $(READY)
	python tests/mutants.py

bench: $(READY)
	python -m pytest -q -s tests/benchmarks/bench_*.py

report: $(READY)
	dvc repro
	imbbench readme

# From the committed results; nothing is run.
figures: $(READY)
	imbbench figures

site: $(READY)
	python -m pip install -q -r requirements-site.lock
	imbbench site build/site/source
	python -m sphinx -q -b html build/site/source build/site/html
	@echo "build/site/html/index.html"

serve: site
	python -m http.server --bind 127.0.0.1 --directory build/site/html 8000

# Every page of the built site in a browser; chromium must be there.
site-test: site
	python -m pip install -q -r requirements-site-test.lock
	python -m pytest tests/test_site_browser.py

# Saving a source notebook would rerun every stage that depends on it: open copies.
lab: copies
	jupyter lab --allow-root --notebook-dir=. lab/index.ipynb

copies: $(READY)
	imbbench lab

clean:
	rm -rf data/cache data/failed smoke build *.egg-info .pytest_cache .ruff_cache .hypothesis

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -r requirements.lock
	$(BIN)/python -m pip install -q --no-deps -e .
	touch $(READY)
