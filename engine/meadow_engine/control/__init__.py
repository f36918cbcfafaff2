"""The control API: `/api/…` on 127.0.0.1, for the desktop and for `meadow status`."""
