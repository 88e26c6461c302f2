"""The port to a server: the same operations, results and errors, over HTTP."""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec.structs import replace

from annotary import errors
from annotary.engine.exporting import Export
from annotary.engine.loading import Report, Stopped
from annotary.engine.manifest import LOSSES, MANIFEST
from annotary.engine.members import MemberSource
from annotary.engine.recognising import opened
from annotary.engine.sources import FileSource, FolderSource, ValueSource, ZipSource
from annotary.engine.written import ROWS
from annotary.errors import AnnotaryError, Invalid, NotFound, Refused, Unavailable
from annotary.formats import Part, load, options_of
from annotary.model.analysis import Evaluation
from annotary.model.corpus import Notice, Problem
from annotary.model.task import FINAL, StoredFile, Task
from annotary.operations import Operation
from annotary.operations.analyses import EvaluateFile, Measure
from annotary.operations.exports import StartExport
from annotary.operations.imports import StartImport
from annotary.operations.tasks import CancelTask, GetTask

R = TypeVar("R")
ROOT = "/api/v1"
SECONDS = 90.0
TRIES = 8
"""So often in a row a download that was cut off is gone on with before it is given up."""
KEPT = 64
BLOCK = 1 << 18
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_AWAY = (0.5, 1.0, 2.0, 4.0, 8.0)
_PICTURE = re.compile(rb'"([^"\\\x00-\x1f]{1,300}\.png)"', re.IGNORECASE)
"""How a line names the picture of a mask that lies beside its file."""


class Remote:
    """A server as a port. `url` is where it is, `key` an API key of it."""

    def __init__(self, url: str, key: str | None) -> None:
        self.base_url = url.rstrip("/")
        self._key = key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(SECONDS, connect=10.0)
        self._http = httpx.Client(base_url=self.base_url, headers=headers, timeout=timeout)
        self._begun: dict[bytes, Task] = {}

    def call(self, operation: Operation[R]) -> R:
        """Carry an operation out; raises what the engine there raised."""
        try:
            fields: dict[str, Any] = msgspec.to_builtins(operation)
        except (msgspec.ValidationError, TypeError) as error:
            raise Invalid(f"{type(operation).__name__}: {error}") from None
        path = ROOT + operation.route.path
        for name in operation.path_fields():
            path = path.replace(f"{{{name}}}", quote(_word(operation, name, fields.pop(name)), safe=""))
        if operation.route.method in ("GET", "DELETE"):
            said = {name: _said(value) for name, value in fields.items() if value is not None}
            response = self._ask(operation.route.method, path, params=said)
        else:
            body = msgspec.json.encode(fields)
            headers = {"Content-Type": "application/json"}
            response = self._ask(operation.route.method, path, content=body, headers=headers)
        if response.status_code == 204:
            return None  # type: ignore[return-value] # of an operation that gives None
        result: R = msgspec.json.decode(response.content, type=operation.result_type())
        return result

    def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        with self._reaching():
            response = self._http.request(method, path, **given)
        if response.is_error:
            raise _error_of(response)
        return response

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"the server {self.base_url} cannot be reached: {reason}") from error

    # Exports

    def export(
        self,
        request: StartExport,
        *,
        counted: bool = False,
        images: Path | None = None,
        executor: Executor | None = None,
    ) -> Export:
        """Start an export; its parts wait until it is done, and go on where a download was cut off."""
        if executor is not None:
            raise Invalid("executor: a server's own workers write its exports; open the store instead")
        if images is not None:
            raise Invalid(f"images: the server cannot see {images}; export without it, images beside")
        options = options_of(request.format, request.options)
        form = load(request.format)
        key = msgspec.json.encode(request)
        task = self._begun.get(key) or self.call(request)
        cursor = (task.result or {}).get("cursor")
        if cursor is not None:
            # The same state gives the same bytes: whoever asks for it again gets the same file.
            key = msgspec.json.encode(replace(request, query=replace(request.query, as_of=cursor)))
        while len(self._begun) >= KEPT:
            del self._begun[next(iter(self._begun))]
        self._begun[key] = task
        made = Export(
            form,
            iter(()),
            cursor,
            task.total,
            lines=form.writes_lines(options),
            document=options.document(),
            one_file=options.one_file(),
        )
        made.parts = self._parts(task, made, key, again=cursor is not None)
        return made

    def _parts(self, task: Task, export: Export, key: bytes, *, again: bool) -> Iterator[Part]:
        if not again:
            self._begun.pop(key, None)
        done = self._awaited(task, lambda rows: setattr(export, "done", rows))
        if again:
            self._begun[key] = done
        told = done.result or {}
        export.done, export.labels, export.annotations = told["rows"], told["labels"], told["annotations"]
        # Whoever writes a manifest holds this very dict already.
        export.about.update(told["about"])
        export.findings.ledger.before(told["losses"])
        export.findings.problem_count = told["problem_count"]
        for notice in msgspec.convert(told["notices"], list[Notice]):
            export.findings.notify(notice)
        assert done.file is not None
        path = f"{ROOT}/tasks/{quote(done.id)}/result"
        if done.file.media_type != "application/zip":
            pieces = self._download(path, done.file)
            yield from (Part("", piece) for piece in (_whole_lines(pieces) if export.lines else pieces))
            return
        with tempfile.TemporaryFile() as file:
            for block in self._download(path, done.file):
                file.write(block)
            yield from (part for part in _unzipped(file) if part.path not in (MANIFEST, LOSSES))

    def _awaited(self, task: Task, moved: Callable[[int], None]) -> Task:
        """A task at its end; raises what it failed of. Whoever stops waiting calls it off."""
        pauses = iter(_PAUSES)
        try:
            while task.status not in FINAL:
                time.sleep(next(pauses, _PAUSES[-1]))
                task = self._seen(task)
                moved(task.rows)
        except (KeyboardInterrupt, GeneratorExit):
            with suppress(AnnotaryError):
                self.call(CancelTask(task_id=task.id))
            raise
        if task.status == "COMPLETE":
            return task
        raise self._failure(task)

    def _seen(self, task: Task) -> Task:
        """A task as it is now; a server that is away for a moment is waited for."""
        for pause in _AWAY:
            try:
                return self.call(GetTask(task_id=task.id))
            except Unavailable:
                time.sleep(pause)
        return self.call(GetTask(task_id=task.id))

    def _failure(self, task: Task) -> AnnotaryError:
        problems = self._problems(task)
        told = dict(task.result or {})
        if "problem_count" in told and "stored" in told:
            return Stopped(replace(msgspec.convert(told, Report), problems=problems))
        kind = _classes().get(task.error_code or "", Unavailable)
        message = task.error or f"the task ended {task.status}"
        return Refused(message, problems) if kind is Refused else kind(message)

    def _problems(self, task: Task) -> tuple[Problem, ...]:
        if task.problems is None:
            return ()
        path = f"{ROOT}/tasks/{quote(task.id)}/problems"
        text = b"".join(self._download(path, task.problems))
        return tuple(msgspec.json.decode(line, type=Problem) for line in text.splitlines())

    def _download(self, path: str, file: StoredFile) -> Iterator[bytes]:
        """The bytes of a file; a download that is cut off goes on. Raises Unavailable."""
        digest, at, tries = hashlib.sha256(), 0, 0
        etag = f'"{file.sha256}"'
        while at < file.bytes:
            headers = {"Range": f"bytes={at}-", "If-Range": etag, "Accept-Encoding": "identity"}
            try:
                with self._http.stream("GET", path, headers=headers) as response:
                    if response.is_error:
                        response.read()
                        raise _error_of(response)
                    if response.headers.get("etag") != etag or (at and response.status_code != 206):
                        raise Unavailable("the file changed while it was fetched; export again")
                    for block in response.iter_raw(BLOCK):
                        at += len(block)
                        digest.update(block)
                        yield block
                        tries = 0
            except httpx.TransportError as error:
                tries += 1
                if tries >= TRIES:
                    raise Unavailable(
                        f"the download broke off {TRIES} times at byte {at:,}: {error}"
                    ) from error
                time.sleep(min(0.1 * 2**tries, 5.0))
        if digest.hexdigest() != file.sha256:
            raise Unavailable("the file did not arrive as it was sent; export again")

    # Imports

    def load(
        self,
        given: Iterable[Any],
        *,
        images: Path | None = None,
        progress: Callable[[int], None] = lambda rows: None,
        **options: Any,
    ) -> Report:
        """Send paths, or values as they would stand in a file, and import them there."""
        given = list(given) if isinstance(given, list | tuple) else given
        sources: list[Any]
        if isinstance(given, list) and all(isinstance(one, str | Path) for one in given):
            sources = _sent(opened(given, images, options.get("format")))
        else:
            # Values may come from a generator, which can be read once; they have no neighbours.
            sources = [ValueSource(given)]
        named = [source for source in sources if isinstance(source, FileSource)]
        first, *more = [self._send(source.name, _bytes_of(source)).id for source in sources]
        # How many processes work at an import is the server's own matter.
        asked = {name: value for name, value in options.items() if value is not None and name != "workers"}
        fields = {**asked, "source": first, "more": tuple(more), "neighbours": self._neighbours(named)}
        try:
            request = msgspec.convert(fields, StartImport)
        except msgspec.ValidationError as error:
            raise Invalid(f"StartImport: {error}") from None
        done = self._awaited(self.call(request), progress)
        known = {
            name: value for name, value in (done.result or {}).items() if name in Report.__struct_fields__
        }
        report = msgspec.convert({**known, "task_id": done.id}, Report)
        if not report.stored:
            report = replace(report, task_id=None)
        return replace(report, problems=self._problems(done))

    def _send(self, name: str, chunks: Iterable[bytes]) -> StoredFile:
        """Send a file; it is put together here first, so that what arrives can be compared with it."""
        digest = hashlib.sha256()
        with tempfile.TemporaryFile() as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
            size = file.tell()
            file.seek(0)
            response = self._ask(
                "POST",
                f"{ROOT}/files",
                params={"name": name[-1000:], "sha256": digest.hexdigest()},
                content=_blocks(file),
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
            )
        return msgspec.json.decode(response.content, type=StoredFile)

    def _neighbours(self, sources: Iterable[Any]) -> dict[str, str]:
        """The pictures beside files that these name, sent along: their ids by those names."""
        sent: dict[str, str] = {}
        for source in sources:
            for name in _named(source.chunks()):
                picture = None if name in sent else source.neighbour(name)
                if picture is not None:
                    sent[name] = self._send(name, [picture]).id
        return sent

    def evaluate(
        self, path: str | Path, measure: Measure, *, project_id: str, format: str | None = None
    ) -> Evaluation:
        """Send a file of predictions, and have it measured against a project's labels there."""
        (source,) = opened([path], None, format)
        sent = self._send(source.name, _bytes_of(source))
        asked = EvaluateFile(project_id=project_id, source=sent.id, format=format, measure=measure)
        return self.call(asked)

    def mask(self, feature_id: str) -> bytes:
        """The PNG of a mask, or of another object's filled shape."""
        return self._ask("GET", f"/masks/feature/{quote(feature_id, safe='')}").content

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


def _sent(sources: Iterable[Any]) -> list[Any]:
    """What is sent of sources: an archive whole, however many of its files are to be read."""
    whole = [source.archive if isinstance(source, MemberSource) else source for source in sources]
    return list({id(source): source for source in whole}.values())


def _word(operation: Operation[Any], name: str, value: Any) -> str:
    if not isinstance(value, str) or value in ("", ".", ".."):
        raise NotFound(f"{type(operation).__name__}: there is nothing with the {name} {value!r}")
    return value


def _said(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _classes() -> dict[str, type[AnnotaryError]]:
    found = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, AnnotaryError)]
    return {one.code: one for one in found}


def _error_of(response: httpx.Response) -> AnnotaryError:
    """The error that a response tells of, as the class it had there."""
    try:
        told = msgspec.json.decode(response.content)["error"]
        code, message = str(told["code"]), str(told["message"])
        problems = msgspec.convert(told.get("problems", []), tuple[Problem, ...])
    except (msgspec.MsgspecError, TypeError, KeyError):
        text = re.sub(r"\s+", " ", response.text)[:200]
        return Unavailable(f"{response.url.host} answered {response.status_code}: {text or 'nothing'}")
    kind = _classes().get(code, Invalid if response.status_code < 500 else Unavailable)
    return Refused(message, problems) if kind is Refused else kind(message)


def _bytes_of(source: Any) -> Iterator[bytes]:
    """What is sent of a source: the file; of a folder an archive of it and of the folder of images."""
    if isinstance(source, ZipSource):
        with source.path.open("rb") as file:
            yield from _blocks(file)
    elif isinstance(source, FolderSource):
        with tempfile.TemporaryFile() as file:
            with zipfile.ZipFile(file, "w") as archive:
                for path in source.everything():
                    with archive.open(path, "w", force_zip64=True) as member:
                        for piece in source.open(path):
                            member.write(piece)
            file.seek(0)
            yield from _blocks(file)
    else:
        yield from source.chunks()


def _whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that end where a line ends."""
    rest = b""
    for piece in pieces:
        cut = piece.rfind(b"\n") + 1
        if cut:
            yield rest + piece[:cut]
            rest = piece[cut:]
        else:
            rest += piece
    if rest:
        yield rest


def _named(chunks: Iterable[bytes]) -> Iterator[str]:
    """The names of pictures in a file, some more than once."""
    rest = b""
    for chunk in chunks:
        text = rest + chunk
        yield from (found[1].decode("utf-8", "replace") for found in _PICTURE.finditer(text))
        # A name may go on in the next chunk.
        rest = text[-310:]


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(BLOCK), b"")


def _unzipped(file: IO[bytes]) -> Iterator[Part]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            with archive.open(member) as inner:
                name = "" if member.filename == ROWS else member.filename
                yield from (Part(name, block) for block in chain([inner.read(BLOCK)], _blocks(inner)))
