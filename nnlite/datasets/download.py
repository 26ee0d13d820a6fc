"""Fetch one file from mirrors: pinned by SHA-256, capped in size, put in place atomically."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from nnlite.datasets.content import CHUNK, Content
from nnlite.datasets.specs import FileSpec
from nnlite.errors import DataError
from nnlite.files import atomic_write

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called as ``progress(name, done_bytes, total_bytes)``; total is 0 where it is unknown."""

TIMEOUT = 4.0
_SLOWEST = 2048  # bytes per second, on average, below which a server counts as stalled


def download(
    spec: FileSpec,
    target: Path,
    mirrors: Sequence[str],
    *,
    progress: Progress | None = None,
    timeout: float = TIMEOUT,
) -> None:
    """Fetch ``mirror + name + ".gz"`` and store its uncompressed content at ``target``.

    The mirrors are tried in order. The content goes to a temporary file in target's folder, which
    takes target's name only when size and SHA-256 are right; any failure, Ctrl-C included,
    removes it. Several processes may fetch the same file at once. Plain http is good enough, as
    the hash is pinned; redirects lead to http and https only.

    Args:
        timeout: seconds to wait for the beginning of an answer, and for each next piece of it.

    Raises:
        DataError: no mirror gave the right file; says what each of them did instead.
        OSError: the folder cannot be made or written to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for mirror in mirrors:
        url = f"{mirror}{spec.name}.gz"
        try:
            with _open(url, timeout) as response:
                _store(response, spec, target, progress, timeout)
            return
        except DataError as error:
            failures.append(f"{error.got} from {url}")
    raise DataError(
        "download",
        spec.name,
        expected=f"the file with SHA-256 {spec.sha256[:12]}... from one of {len(mirrors)} mirrors",
        got="; ".join(failures) or "no mirrors",
        hint="check the connection",
    )


def _failed(url: str, got: str) -> DataError:
    return DataError("download", url, expected="an answer", got=got, hint="check the connection")


def _open(url: str, timeout: float) -> Any:
    """The server's answer, its header read.

    A thread asks, since looking up a name and a slow header know no timeout of their own.
    """
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    if not url.startswith(("http://", "https://")):
        raise _failed(url, "an address that is neither http nor https")

    class WebOnly(urllib.request.HTTPRedirectHandler):
        def redirect_request(
            self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Any:
            if not newurl.lower().startswith(("http://", "https://")):
                raise urllib.error.URLError(f"a redirect to {newurl[:80]!r}, which is refused")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = urllib.request.build_opener(WebOnly)
    request = urllib.request.Request(url, headers={"User-Agent": "nnlite"})
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    given_up = threading.Event()

    def ask() -> None:
        try:
            response = opener.open(request, timeout=timeout)
        except (OSError, HTTPException, ValueError) as error:
            answers.put(error)
            return
        answers.put(response)
        if given_up.is_set():
            response.close()

    threading.Thread(target=ask, name="nnlite-download", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise _failed(url, f"no answer within {timeout:g} s") from None
    finally:
        given_up.set()
    if isinstance(answer, Exception):
        if isinstance(answer, urllib.error.HTTPError):
            answer.close()
        late = isinstance(getattr(answer, "reason", answer), TimeoutError)
        text = str(answer).removeprefix("<urlopen error ").removesuffix(">")
        got = f"no answer within {timeout:g} s" if late else text or repr(answer)
        raise _failed(url, got) from answer
    return answer


def _store(
    response: Any, spec: FileSpec, target: Path, progress: Progress | None, timeout: float
) -> None:
    import hashlib

    body = _Body(response, spec, progress, timeout)
    content = Content(body.read, "download", body.url)
    digest = hashlib.sha256()
    done = 0
    with atomic_write(target) as file:
        while part := content.read(CHUNK):
            done += len(part)
            if done > spec.size:
                raise _failed(body.url, f"more than the {spec.size:,} bytes that it should hold")
            digest.update(part)
            file.write(part)
        if digest.hexdigest() != spec.sha256:
            raise _failed(body.url, f"a different file ({done:,} bytes, wrong SHA-256)")


class _Body:
    """The raw bytes of an answer: capped, timed, reported."""

    def __init__(
        self, response: Any, spec: FileSpec, progress: Progress | None, timeout: float
    ) -> None:
        self.url = response.geturl()
        self._response = response
        self._name = spec.name
        self._cap = spec.size + CHUNK  # compressed is smaller, but for a few bytes
        self._progress = progress
        length = response.headers.get("Content-Length") or ""
        self._total = int(length) if length.isdecimal() else 0
        self._done = 0
        self._timeout = timeout
        self._start = time.monotonic()
        if self._total > self._cap:
            raise _failed(self.url, f"{self._total:,} bytes, far more than the file has")

    def read(self, size: int) -> bytes:
        from http.client import HTTPException

        try:
            part: bytes = self._response.read1(size)  # what is there, without waiting for more
        except (OSError, HTTPException, ValueError) as error:
            raise _failed(self.url, f"a broken connection ({error})") from error
        self._done += len(part)
        if self._done > self._cap:
            raise _failed(self.url, f"over {self._cap:,} bytes, far more than the file has")
        elapsed = time.monotonic() - self._start
        if part and elapsed > self._timeout and self._done < elapsed * _SLOWEST:
            raise _failed(self.url, f"only {self._done:,} bytes in {elapsed:.0f} s")
        if not part and self._done < self._total:
            raise _failed(self.url, f"{self._done:,} of {self._total:,} bytes")
        if part and self._progress is not None:
            self._progress(self._name, self._done, self._total)
        return part
