"""Idle seconds from Plasma before 5.27, whose KWin speaks a protocol of its own, org_kde_kwin_idle.

It is the model that ext-idle-notify-v1 was made after: same notices, other order of arguments.
Source: plasma-wayland-protocols, idle.xml.
"""

from __future__ import annotations

from meadow_engine.senses.idle.wayland import NoticeProtocol

KDE_IDLE = NoticeProtocol("KDE org_kde_kwin_idle", "org_kde_kwin_idle", ask=0, is_seat_first=True)
