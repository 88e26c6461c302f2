"""What every command is told, and how every command ends."""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from annotary.errors import AnnotaryError

if TYPE_CHECKING:
    from annotary.client import Client

DEFAULT_STORE = "annotary-data"
DONE, FAILED, WRONG_USAGE, SKIPPED, PIPE_CLOSED, INTERRUPTED = 0, 1, 2, 3, 141, 130
"""Exit statuses; the last two are those of a program that died of the signal."""
_PASSWORD = re.compile(r"(?<=://)([^/@:]*:)[^/]*@")
_ENDING = ("SIGTERM", "SIGHUP")


class Usage(Exception):
    """The command was typed in a way that cannot be meant."""


@dataclass(slots=True)
class Session:
    """The target and the manner of one command."""

    at: str | None = None
    api_key: str | None = None
    org: str = "default"
    json: bool = False
    quiet: bool = False

    @property
    def place(self) -> str:
        """The target: as given, else of the environment, else the folder annotary-data."""
        return self.at or os.environ.get("ANNOTARY_AT") or DEFAULT_STORE

    @property
    def shown_place(self) -> str:
        """The target for people to read, without a password."""
        return _PASSWORD.sub(r"\1***@", self.place)

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A client on the target, closed at the end."""
        from annotary.client import Client

        with Client(self.place, self.api_key, org=self.org) as client:
            yield client


def ended(action: Callable[[], int | None]) -> int:
    """Do something; its exit status. What goes wrong is said in one line on standard error."""
    try:
        status = action() or DONE
        sys.stdout.flush()
        return status
    except typer.Exit as error:
        return error.exit_code
    except BrokenPipeError:
        _drop_output()
        return PIPE_CLOSED
    except (Exception, KeyboardInterrupt) as error:
        status, reason = _told(error)
        if reason:
            say(f"annotary: {reason}")
        if os.environ.get("ANNOTARY_TRACEBACK"):
            traceback.print_exc()
        return status


def say(text: str) -> None:
    """One line on standard error."""
    with suppress(BrokenPipeError):
        print(plain(text), file=sys.stderr, flush=True)


def plain(text: str) -> str:
    r"""Text fit for one line of a terminal: what does not print is written as an escape.

    >>> plain("a\x1b[31mb\nc")
    'a\\x1b[31mb\\nc'
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _told(error: BaseException) -> tuple[int, str]:
    """The exit status and the reason of an error."""
    match error:
        case Usage():
            return WRONG_USAGE, str(error)
        case AnnotaryError():
            return FAILED, str(error)
        case KeyboardInterrupt() | typer.Abort():
            return INTERRUPTED, f"interrupted; {getattr(error, 'state', 'nothing was stored')}"
        case MemoryError():
            return FAILED, "out of memory; nothing was stored"
        case RecursionError():
            return FAILED, "the input is nested too deeply; nothing was stored"
        case OSError():
            return FAILED, _of_system(error)
        case UnicodeEncodeError():
            # Bytes that the locale cannot read, or half of a pair of surrogates.
            return FAILED, f"{error.object[:80]!r} is not text: it has characters that Unicode does not"
    # A usage error of Typer's parser; its class is not public.
    if hasattr(error, "format_message"):
        return WRONG_USAGE, _of_parser(error)
    what = str(error) or "no message"
    return FAILED, (
        f"unexpected {type(error).__name__}: {what}; this is a bug, please report it"
        " (ANNOTARY_TRACEBACK=1 shows where)"
    )


def _of_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or str(error) or type(error).__name__}"


def _of_parser(error: Any) -> str:
    message = str(error.format_message()).strip().rstrip(".")
    context = getattr(error, "ctx", None)
    if not message:
        # The help was printed in place of a message.
        return ""
    message = " ".join(message.split())
    message = message[0].lower() + message[1:]
    return f"{message}; see {context.command_path if context else 'annotary'} --help"


def _drop_output() -> None:
    """Let what is still to be flushed at the end go nowhere, without a complaint."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def interruptible(state: str) -> Iterator[None]:
    """Says, where the command is interrupted inside, what state that leaves."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.state = state  # type: ignore[attr-defined]
        raise


@contextmanager
def polite_signals() -> Iterator[None]:
    """Being asked to end is like Ctrl-C: transactions are undone, half-written files removed."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before: dict[int, Any] = {}
    for name in _ENDING:
        number = getattr(signal, name, None)
        # A signal that the caller ignores (nohup) stays ignored; only the main thread may set handlers.
        with suppress(ValueError):
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def existing_folder(given: str | None, option: str) -> Path | None:
    """A folder that an option names; raises Usage."""
    if given is None:
        return None
    path = Path(given)
    if not path.is_dir():
        raise Usage(f"{option}: {given} is not a folder")
    return path
