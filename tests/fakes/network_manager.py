"""NetworkManager on a bus, as told by the test."""

from __future__ import annotations

from dbus_fast import Variant

from fakes.private_bus import FakeService

_NAME = "org.freedesktop.NetworkManager"


class FakeNetworkManager(FakeService):
    """Knows one property."""

    def __init__(self, address: str, metered: int) -> None:
        super().__init__(address, _NAME)
        self.set(metered)

    def set(self, metered: int) -> None:
        """Another network."""
        self.properties["/org/freedesktop/NetworkManager", _NAME] = {"Metered": Variant("u", metered)}
