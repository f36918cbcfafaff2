"""Switch hosting on and off while the engine runs, and say in which state it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from meadow_client.errors import MeadowError, describe_layers
from meadow_client.models.description import ModelDescription
from meadow_client.swarm.node import SwarmNode
from meadow_engine.api.status import SharingState
from meadow_engine.hosting import Hosted, HostOptions, hosting

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


class Sharing:
    """Hosts a span while it is wanted. `run` is its one task."""

    def __init__(
        self, node: SwarmNode, description: ModelDescription, device: torch.device, options: HostOptions
    ) -> None:
        self._node = node
        self._description = description
        self._device = device
        self._options = options
        self._wanted = False
        self._changed = asyncio.Event()
        self.state: SharingState = "off"
        self.detail = "Sharing is switched off"
        self.hosted: Hosted | None = None
        self.on_change: Callable[[], None] = lambda: None

    def want(self, enabled: bool) -> None:
        """Ask for sharing or for its end; `state` follows."""
        if enabled != self._wanted or self.state == "failed":
            self._wanted = enabled
            self._changed.set()

    async def run(self) -> None:
        """Follow `want` until cancelled."""
        while True:
            self._changed.clear()
            if self._wanted:
                await self._share()
            else:
                self._say("off", "Sharing is switched off")
            if not self._changed.is_set():
                await self._changed.wait()

    async def _share(self) -> None:
        self._say("starting", f"Loading layers of {self._description.name}")
        try:
            async with hosting(self._node, self._description, self._device, self._options) as hosted:
                self.hosted = hosted
                held = describe_layers([(hosted.span.start, hosted.span.end)])
                self._say("sharing", f"Holding {held} of {self._description.name}")
                await self._changed.wait()
                self._say("stopping", "Giving the memory back")
        except* MeadowError as errors:
            error = _first(errors)
            log.warning("Sharing failed: %s", error)
            self._wanted = False
            self._say("failed", f"{error}. {getattr(error, 'advice', '')}".strip())
        except* Exception:
            # The engine serves chats, too: a span that cannot be hosted must not end it.
            log.exception("Sharing failed")
            self._wanted = False
            self._say("failed", "Something went wrong while sharing. The log says more; switch it on to try again.")
        finally:
            self.hosted = None

    def _say(self, state: SharingState, detail: str) -> None:
        self.state, self.detail = state, detail
        self.on_change()


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
