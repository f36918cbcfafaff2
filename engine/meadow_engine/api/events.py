"""Server-sent events of `GET /api/events`.

The event `status` carries an `EngineStatus` as JSON: once at the beginning, then whenever it changed (at most
four times a second), and every 15 seconds as a sign of life. Seconds that go by are no change. Each event is the
whole state, so a reader that was cut off lost nothing: it asks again, and need not say where it had come to.
"""

from __future__ import annotations

from typing import Final

STATUS_EVENT: Final = "status"
KEEPALIVE_S: Final = 15.0
