"""Entry point of the page: reads the environment, builds the page and serves it; locally, on Spaces and in containers."""

from __future__ import annotations

import gc

from sr_demo.ui.gradio_stubs import leave_stubs_alone

leave_stubs_alone()
gc.disable()  # until the page is built: collecting takes a tenth of the time while modules load, and finds next to nothing

import logging
import os
import signal
import sys
import tempfile

from sr_demo.backends.selection import Preparer
from sr_demo.catalogue import APPROACHES
from sr_demo.community import fetched_models
from sr_demo.errors import SRError
from sr_demo.hub.fetching import fetch_each, recommended
from sr_demo.inference.runner import Runner
from sr_demo.inference.time_estimates import TimeEstimates
from sr_demo.pipelines import zero_gpu
from sr_demo.settings import from_environment
from sr_demo.system import memory, scratch
from sr_demo.system.storage import cache_folder, disk_errors_translated, ensure_folder
from sr_demo.ui.store import Store, temporary_root
from sr_demo.ui.warmup import warm_up
from sr_demo.user_models import folder

_CACHE_BYTES = 100 * 2**20
"""Free space in the cache folder below which a warning is logged: for samples, a patch database and some networks."""


def main() -> int:
    """Serve the page until interrupted; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)  # INFO lists the builds of FAISS that are not there
    try:
        settings = from_environment(os.environ)
        models = folder.from_environment()
        temporary = temporary_root()
        store = Store(max_bytes=settings.max_store_megabytes * 2**20)
        store.lend_to_gradio()
        from sr_demo.ui import mcp, page

        if settings.mcp:
            mcp.require()
    except SRError as exc:
        return _refused(exc)
    signal.signal(signal.SIGTERM, _end)
    zero_gpu.declare_gpu_function()
    store.keep_tidy(first=lambda: (scratch.sweep(temporary), scratch.sweep_cache(cache_folder())))
    _check_cache()
    if settings.fetch:
        _fetch_recommended()
    runner = Runner(TimeEstimates(cache_folder() / "estimates.json"), Preparer())
    max_bytes = settings.max_model_megabytes * 2**20
    approaches = (*APPROACHES, *folder.approaches(models, max_bytes), *fetched_models.stored_approaches(max_bytes))
    demo = page.build_page(approaches, runner, store, settings)
    demo.launch(**page.launch_arguments(store, settings), prevent_thread_lock=True)
    if settings.mcp:
        try:
            mcp.refine(demo, settings.max_megabytes * 2**20)
        except SRError as exc:
            demo.close(verbose=False)
            return _refused(exc)
    memory.freeze_garbage_collection()
    gc.enable()
    warm_up(runner, approaches)
    demo.block_thread()
    return 0


def _fetch_recommended() -> None:
    """Fetch the recommended published checkpoints, so that the page prefers them from the start; never fatal."""
    log = logging.getLogger("sr_demo")
    try:
        failed = [outcome for outcome in fetch_each(recommended(APPROACHES)) if outcome.status == "failed"]
    except SRError as exc:
        log.warning("No published networks were fetched: %s", exc)
        return
    if failed:
        log.warning("Not fetched: %s. The page runs with what is here.", ", ".join(outcome.name for outcome in failed))


def _end(*_: object) -> None:
    """Exit as after Ctrl-C, with temporary files removed."""
    sys.exit(128 + signal.SIGTERM)


def _check_cache() -> None:
    """Warn at the start where the cache cannot be written. The page runs, and shows an error where it needs the cache."""
    try:
        folder = ensure_folder(cache_folder(), need=_CACHE_BYTES)
        with disk_errors_translated(folder), tempfile.TemporaryFile(dir=folder):
            pass
    except SRError as exc:
        logging.getLogger("sr_demo").warning("%s The page runs, but nothing new is kept between runs.", exc)


def _refused(exc: SRError) -> int:
    """Print why the page cannot be served; return the exit status."""
    sys.stderr.write(f"sr_demo: {exc}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
