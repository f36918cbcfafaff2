"""When the next bytes may be sent so that a rate is kept. Pure: the time is given."""

from __future__ import annotations

# A sender that slept too long may catch up with this much of the time that it missed.
_CATCH_UP_S = 0.1


class Pace:
    """A token bucket that may go into debt: what was sent is paid for by waiting before the next bytes.

    A rate of 0 means that there is no limit.
    """

    def __init__(self, bytes_per_s: float) -> None:
        self.bytes_per_s = bytes_per_s
        self._paid_until_s = float("-inf")

    def delay_s(self, now_s: float) -> float:
        """For how long nothing more may be sent; 0 when something may."""
        return max(0.0, self._paid_until_s - now_s)

    def sent(self, now_s: float, sent_bytes: int) -> None:
        """Take notice of bytes that were sent, allowed or not."""
        if self.bytes_per_s:
            self._paid_until_s = max(self._paid_until_s, now_s - _CATCH_UP_S) + sent_bytes / self.bytes_per_s
