"""Choose a span for a server that joins.

The swarm is as fast as its least covered layer lets it be, so a server takes the window of consecutive layers
that raises the weakest layers most (the rule of Petals: Borzunov et al., 2023, section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence


def choose_span(coverage: Sequence[int], capacity: int) -> tuple[int, int]:
    """The window [start, end) of `capacity` layers, or of all if there is room, whose layers are covered worst.

    Args:
        coverage: for each layer of the model, how many servers hold it.
        capacity: how many layers fit in this computer, at least 1.
    """
    num_layers = len(coverage)
    size = max(1, min(capacity, num_layers))
    starts = range(num_layers - size + 1)
    best = min(starts, key=lambda start: (sorted(coverage[start : start + size]), start))
    return best, best + size
