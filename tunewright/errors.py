"""The exceptions that Tunewright raises on purpose, and how a person sees them.

    TunewrightError              everything below; shown as one message, without a traceback
    |-- ConfigError              params.yaml, conf/, a rubric, a taxonomy or a prompt is wrong
    |-- RecordError              a data file holds a line that does not fit its schema, or is cut off
    |-- MissingInputError        a file that an earlier stage makes is not there
    |-- StorageError             a file cannot be written or read: a full disk, a read-only folder
    |-- RepositoryError          git has no answer: no repository here, no commit, a damaged object
    |-- ModelError               the model side failed in a way that more calls will not mend
    |   |-- ModelAuthError       the provider refused the key
    |   |-- ModelSetupError      unknown model, no endpoint, no package, no key in the environment
    |   `-- OfflineMissError     TUNEWRIGHT_OFFLINE=1 and the answer is not in the cache
    |-- RunnerError              the cluster has no worker left that could make a call
    |-- StoppedError             the run was stopped in good order; what was done is in the cache
    |   |-- BudgetError          the budget is spent
    |   `-- InterruptedRunError  somebody pressed Ctrl-C or sent SIGTERM; exit code 130 or 143
    |-- DraftError               a model's draft of a design file, or a source for it, cannot be used
    |-- GateError                the gate's decision is not to proceed, and the preset stops there
    |-- TooManyFailuresError     more items failed than the stage allows; what was done stays in the cache
    |-- TrainingError            data or configuration that cannot be trained on
    `-- PublishError             what would be published must not be, or the Hub did not take it

A message says what happened, where, what was found, what was expected, and the next command to try.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from tunewright.plain import plain

STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
GO_ON = "finished model calls are in the cache, run the same command to go on"


class TunewrightError(Exception):
    """Base of every error that is the user's to mend. The text is the whole message."""


class ConfigError(TunewrightError):
    """A configuration or design file is wrong."""


class RecordError(TunewrightError):
    """A line of a data file does not fit its schema."""


class MissingInputError(TunewrightError):
    """An input that another stage makes does not exist."""


class StorageError(TunewrightError):
    """A file cannot be read or written: a full disk, a read-only folder."""


class RepositoryError(TunewrightError):
    """Git cannot say what is asked: no repository, no commit, a damaged object."""


class ModelError(TunewrightError):
    """The model side failed for good; further calls would fail in the same way."""


class ModelAuthError(ModelError):
    """The provider refused the key."""


class ModelSetupError(ModelError):
    """The model cannot be called as configured."""


class OfflineMissError(ModelError):
    """Offline replay needs an answer that the cache does not hold."""


class RunnerError(TunewrightError):
    """No worker is left, or none came; finished calls are in the cache."""


class StoppedError(TunewrightError):
    """No new call was started, those in flight were finished and stored."""

    def at(self, n_done: int, n_items: int) -> StoppedError:
        """The same, saying how far the work came."""
        return type(self)(f"{n_done} of {n_items} done. {self.args[0]}", *self.args[1:])

    def __str__(self) -> str:
        return str(self.args[0])


class BudgetError(StoppedError):
    """The budget in USD or tokens is spent."""


class InterruptedRunError(StoppedError):
    """A person or the system asked to stop; `signal` is the signal's number."""

    def __init__(self, text: str, signal: int) -> None:
        super().__init__(text, signal)
        self.signal = signal


class DraftError(TunewrightError):
    """A draft was rejected as often as allowed, or what it should rest on cannot be read."""


class GateError(TunewrightError):
    """The conversations are not good enough to go on, and the preset says to stop."""


class TooManyFailuresError(TunewrightError):
    """More items failed than the stage's `max_failed_share` allows."""


class TrainingError(TunewrightError):
    """The data or the configuration cannot be trained on."""


class PublishError(TunewrightError):
    """Something of the project may not be published as it is, or the Hub did not take it."""


def shown(error: object) -> str:
    """An error as a terminal may show it, whatever stood in the file that it quotes."""
    return plain(str(error))


class Terminated(KeyboardInterrupt):
    """SIGTERM outside model calls: as Ctrl-C, so that temporary files go and programs that we started end."""


def run_main(main: Callable[[], None]) -> None:
    """Run a stage's `main`; a TunewrightError becomes one message on stderr and exit code 1 (a signal's: 128 + it)."""
    _heed_sigterm()
    try:
        main()
    except InterruptedRunError as error:
        print(f"\nstopped: {shown(error)}", file=sys.stderr)
        sys.exit(128 + error.signal)
    except TunewrightError as error:
        print(f"\nerror: {shown(error)}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno not in STORAGE_ERRORS:
            raise
        where = f"{shown(error.filename)}: " if error.filename else ""
        print(f"\nerror: {where}{error.strerror}; free space or mend the rights; {GO_ON}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        name, number = ("SIGTERM", signal.SIGTERM) if isinstance(stop, Terminated) else ("SIGINT", signal.SIGINT)
        print(f"\nstopped: by {name}; {GO_ON}", file=sys.stderr)
        sys.exit(128 + number)


def _heed_sigterm() -> None:
    """Let SIGTERM raise in this process; one that is forked off it ends as ever."""
    if threading.current_thread() is not threading.main_thread():
        return  # only there can it be heeded
    ours = os.getpid()

    def on(number: int, frame: FrameType | None) -> NoReturn:
        if os.getpid() != ours:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise Terminated

    signal.signal(signal.SIGTERM, on)
