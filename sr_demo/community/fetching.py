"""`fetch openmodeldb:NAME`: download of a model, with an outcome like that of other checkpoints."""

from __future__ import annotations

from sr_demo.community import fetched_models
from sr_demo.errors import SRError
from sr_demo.hub import checkpoints
from sr_demo.hub.fetching import Outcome
from sr_demo.progress import SILENT, Progress
from sr_demo.reports import formatting


def fetch_named(name: str, progress: Progress = SILENT) -> Outcome:
    """Fetch and try out the model `openmodeldb:NAME`. Raises Cancelled; any other SRError becomes a failed outcome."""
    before = {model.card.id for model in fetched_models.stored_models()}
    try:
        (checkpoint,) = fetched_models.by_name(name, progress).checkpoints
    except SRError as exc:
        return Outcome(name, "failed", (), 0, str(exc))
    return Outcome(
        f"{fetched_models.ID}:{checkpoint.name}",
        "stored" if checkpoint.name in before else "fetched",
        checkpoints.came_from(checkpoint),
        checkpoint.bytes,
        formatting.terms(checkpoint.licence),
    )
