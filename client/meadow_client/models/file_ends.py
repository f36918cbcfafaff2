"""The first and the last bytes of a file, here or on huggingface.co, from where no more of it is fetched.

A model in one file is known by these: whoever only names it need not wait for gigabytes.
"""

from __future__ import annotations

from pathlib import Path

from meadow_client.errors import ModelNotFoundError

_TIMEOUT_S = 20.0
_PARTIAL = 206


def ends_of(path: Path, length: int) -> bytes:
    """The first and the last `length` bytes of a file, one after the other; they overlap where it is short."""
    with path.open("rb") as file:
        first = file.read(length)
        file.seek(max(0, path.stat().st_size - length))
        return first + file.read(length)


def ends_on_hub(repository: str, filename: str, length: int) -> bytes | None:
    """As `ends_of`, of a file in a repository; None where the repository has no such file.

    Raises:
        ModelNotFoundError: huggingface.co does not answer, or gives whole files only.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    url = hf_hub_url(repository, filename)
    try:
        first, size = _part(url, 0, length - 1)
        last, _size = _part(url, max(0, size - length), size - 1)
    except EntryNotFoundError:
        return None
    except Exception as error:
        if not isinstance(error, OSError | ValueError) and not is_network_failure(error):
            raise
        raise ModelNotFoundError(
            f"There is no folder {repository}, and no model of this name could be fetched"
        ) from error
    return first + last


def _part(url: str, first: int, last: int) -> tuple[bytes, int]:
    """Bytes first to last, and how many the whole file has."""
    from huggingface_hub import get_session, hf_raise_for_status
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    headers = {**build_hf_headers(), "Range": f"bytes={first}-{last}", "Accept-Encoding": "identity"}
    with get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT_S) as response:
        hf_raise_for_status(response)
        if response.status_code != _PARTIAL:
            raise ValueError("the server gives whole files only")
        size = int(response.headers["Content-Range"].rpartition("/")[2])
        return response.read(), size


def is_network_failure(error: Exception) -> bool:
    """Whether the library below huggingface_hub says so: httpx for its version 1, httpx2 for its version 2."""
    return type(error).__module__.partition(".")[0] in ("httpx", "httpx2")
