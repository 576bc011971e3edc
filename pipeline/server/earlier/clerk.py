"""Writes over HTTP: a manifest goes into the inbox, and the answer waits for its event.

Owns the order of that, and what is said where the event does not come, or is a refusal. Never
appends to the journal: what it wrote is read from the inbox by the runner, like all manifests.
"""

import asyncio
from pathlib import Path

import msgspec
from starlette.concurrency import run_in_threadpool

from pipeline.core.manifest import Manifest
from pipeline.core.problem import Problem
from pipeline.server.board import Board
from pipeline.server.earlier import drop, paper
from pipeline.server.moment import Moment
from pipeline.server.pulse import Pulse
from pipeline.server.refusal import Refused

PATIENCE = 15.0
"""Seconds that an event is waited for; git at work may hold the runner up for ten."""


class Clerk:
    """Writes manifests for one board. `turn` is for those whose name must still be free when they
    are written."""

    def __init__(self, board: Board, moment: Moment, pulse: Pulse, *, patience: float) -> None:
        self._board = board
        self._moment = moment
        self._pulse = pulse
        self._patience = patience
        self.turn = asyncio.Lock()

    @property
    def _inbox(self) -> Path:
        return self._board.inbox

    def ready(self) -> None:
        """Raises Refused (503) while nothing can be recorded."""
        live = self._moment.live
        trouble = live.journal_failed or live.inbox_lost
        if trouble is not None:
            raise Refused(503, f"nothing can be recorded: {trouble}")

    async def make(self, file: str, manifest: Manifest, key: str) -> None:
        """Write a new manifest that declares `key`; returns when its event is on disk.

        Raises:
            Refused: 409 if something has the file's name, 422 if the manifest has errors or is
                rejected, 503 if it cannot be written or is not recorded in time.
        """
        self.ready()
        data = paper.write(manifest, file)
        try:
            await run_in_threadpool(drop.new, self._inbox, file, data)
        except FileExistsError:
            raise Refused(409, f"{file} is there already", file=file) from None
        except OSError as error:
            raise _unwritable(file, error) from error
        await self._recorded(file, manifest, key, data, new=True)

    async def change(self, file: str, manifest: Manifest, key: str, *, known: Manifest) -> None:
        """Write a manifest anew that this program wrote and nobody changed, and that declares
        `known` and nothing else until now.

        Raises:
            Refused: 409 if it is not this program's any more; else as for a new one.
        """
        self.ready()
        before = await run_in_threadpool(drop.read, self._inbox, file)
        if before is None or not paper.is_ours(before) or paper.write(known, file) != before:
            raise _theirs(file)
        data = paper.write(manifest, file)
        if data == before:
            return
        try:
            await run_in_threadpool(_replace, self._inbox, file, data, before)
        except drop.Changed:
            raise _theirs(file) from None
        except OSError as error:
            raise _unwritable(file, error) from error
        await self._recorded(file, manifest, key, data, new=False)

    async def _recorded(
        self, file: str, manifest: Manifest, key: str, data: bytes, *, new: bool
    ) -> None:
        said = msgspec.json.encode(manifest)
        kind = type(manifest).__name__.casefold()

        def look() -> tuple[Problem, ...] | None:
            """What is wrong with it, nothing once it is recorded; None as long as it is not."""
            declared = getattr(self._board.state, f"{kind}s").get(key)
            ours = declared is not None and declared.file == file
            if ours and msgspec.json.encode(declared.spec) == said:
                return ()
            return self._board.state.rejected.get(file)

        found = await self._pulse.until(look, self._patience)
        if found is None:
            raise Refused(
                503,
                f"{file} is written, but the runner has not recorded it within "
                f"{self._patience:g} seconds; it will when it can",
                file=file,
            )
        if found:
            if new:
                # Nobody but us has seen it, and it declares nothing.
                await run_in_threadpool(drop.withdraw, self._inbox, file, data)
            why = "; ".join(problem.message for problem in found)
            raise Refused(422, f"{file} was rejected: {why}", file=file)


def _replace(inbox: Path, file: str, data: bytes, before: bytes) -> None:
    drop.replace(inbox, file, data, over=before)


def _theirs(file: str) -> Refused:
    return Refused(
        409,
        f"{file} was written or changed by hand, so that it is not changed over HTTP: edit it",
        file=file,
    )


def _unwritable(file: str, error: OSError) -> Refused:
    return Refused(503, f"{file} cannot be written: {error.strerror or error}", file=file)
