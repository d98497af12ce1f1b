"""Event handlers of the search box for models of OpenModelDB."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import gradio as gr

from sr_demo.community import fetched_models, index
from sr_demo.community.search import Hit, Hits, Licences, Query, find_card, search
from sr_demo.errors import BadInput
from sr_demo.inference.jobs import Job
from sr_demo.progress import Progress
from sr_demo.reports import formatting
from sr_demo.spec import Approach
from sr_demo.system.file_sizes import file_size
from sr_demo.ui.callers import Caller
from sr_demo.ui.compare.components import CompareComponents, SearchComponents
from sr_demo.ui.compare.run_handlers import FETCHING, SEARCH, STOPPED
from sr_demo.ui.compare.visitor_model_handlers import TRIAL_SECONDS, VisitorModelHandlers
from sr_demo.ui.html import fine_print, problem
from sr_demo.ui.languages import word
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.sessions import session_of
from sr_demo.ui.updates import Updates
from sr_demo.ui.visitor_work import VisitorWork

_MOST = 20
"""Largest number of models in the list."""
NOTHING_CHOSEN = "Choose one of the models first."


class CommunityHandlers:
    """Handlers of the search box. They hold no state of their own."""

    def __init__(
        self, context: PageContext, components: CompareComponents, box: SearchComponents, own: VisitorModelHandlers
    ) -> None:
        self._context, self._box, self._own = context, box, own
        self._work = VisitorWork(context, box.status, components.run.stop, beside=STOPPED)

    def search(self, words: str, scale: int, licences: Licences, request: gr.Request) -> Iterator[Updates]:
        """List the matching models; yield the progress first, since the index may have to be downloaded."""

        def work(_: Caller, progress: Progress) -> Hits:
            there = index.load(progress)
            query = Query(words, int(scale) or None, licences)
            return search(there.cards, query, there.address, self._context.models.max_bytes)

        yield from self._work.run(session_of(request), SEARCH, "searching OpenModelDB", work, self._listed)

    def _listed(self, found: Hits) -> Updates:
        able = [hit for hit in found.hits if hit.file is not None]
        absent = [hit for hit in found.hits if hit.file is None]
        shown = able[:_MOST]
        sentences = [f"{len(able)} found" + (f", the first {_MOST} are listed." if len(able) > _MOST else ".")]
        if found.other_licences:
            sentences.append(f"{found.other_licences} more match whose licence does not allow commercial use.")
        box = self._box
        return {
            box.status: fine_print(" ".join(sentences)),
            box.found: gr.Radio(choices=[(label(hit), hit.card.id) for hit in shown], value=None, visible=bool(shown)),
            box.fetch: gr.Button(visible=bool(shown)),
            box.absent: _absent(absent),
        }

    def fetch(self, identifier: str | None, request: gr.Request) -> Iterator[Updates]:
        """Fetch the chosen model and add it to the visitor's; yield the progress, then the methods with it among them."""
        if not identifier:
            yield {self._box.status: problem(NOTHING_CHOSEN)}
            return
        session, models = session_of(request), self._context.models

        def work(caller: Caller, progress: Progress) -> Job:
            self._refuse_twice(identifier, session)
            models.refuse_more(session)
            card = find_card(index.load(progress).cards, identifier)
            folder = None if self._context.private else self._context.store.new()

            def opened() -> Approach:
                fetched = fetched_models.fetch(card, progress.part(0.0, 0.8), folder, models.max_bytes)
                with caller.turn(TRIAL_SECONDS, progress.part(0.8, 1.0)) as trial:
                    return fetched_models.open_fetched(fetched, trial, models.max_bytes)

            return models.adopt(session, opened, folder)

        def added(job: Job) -> Updates:
            return self._own.opened(job, self._box.status, session)

        yield from self._work.run(session, FETCHING, "fetching the model", work, added)

    def _refuse_twice(self, identifier: str, session: str) -> None:
        key = f"{fetched_models.ID}:{identifier}"
        if key in [job.key for job in self._context.models.jobs(session)]:
            raise BadInput("You have this model already: it is among the methods.")
        if any(a.id == fetched_models.ID and a.checkpoints[0].name == identifier for a in self._context.approaches):
            raise BadInput("This model is here already: it is among More methods and published networks.")


def label(hit: Hit) -> str:
    """Return the lines of one model in the list: name, scale and architecture, then licence, size, author and tags."""
    card, file = hit.card, hit.file
    size = file_size(file.bytes) if file else ""
    facts = [formatting.terms(card.licence), size, f"by {card.author}", ", ".join(card.tags)]
    return f"{card.name} · {card.scale}x · {card.architecture}\n{' · '.join(filter(None, facts))}"


def _absent(hits: list[Hit]) -> str:
    if not hits:
        return ""
    items = "".join(f"<li>{escape(hit.card.name)}: {word(f'{hit.why}.')}</li>" for hit in hits[:_MOST])
    more = f"<li>{word(f'And {len(hits) - _MOST} more.')}</li>" if len(hits) > _MOST else ""
    title = word("1 cannot run here: why" if len(hits) == 1 else f"{len(hits)} cannot run here: why")
    return f'<details class="sr-fine"><summary>{title}</summary><ul>{items}{more}</ul></details>'
