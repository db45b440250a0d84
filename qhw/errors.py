"""The exception tree of the toolkit.

    QhwError
    ├── ConfigError              a setting is unknown, out of range or does not apply
    ├── UnknownNameError         a backend, device or run that does not exist
    ├── BackendUnavailableError  the name is right, but it cannot be opened here
    ├── OutputError              a file or a folder cannot be written
    ├── DivergedError            a training has run away
    ├── CacheError               the transpile cache cannot be read or written
    ├── CheckpointError          a checkpoint is damaged, of another shape, or cannot be saved
    ├── BundleError              model weights are missing, damaged or not good enough
    ├── DataError                a data set is missing or not what it claims to be
    ├── DamagedFileError         a file of results is missing, cut short or not what it claims to be
    ├── HubError                 the hub of models refuses, or cannot be reached
    ├── SweepError               runs of a sweep failed; the others are finished (exit code 1)
    ├── StudyError               tasks of a study failed; the others are done (exit code 5)
    ├── MitigationError          error mitigation does not fit, or cannot be had here
    ├── LedgerError              the ledger cannot be used, or contradicts what is asked
    ├── BudgetReachedError       the next submission would pass a limit (exit code 3)
    ├── InstallationError        a package is missing, or `qhw doctor` found fault
    ├── BusyError                another process is at work in the same run
    ├── InterruptedWorkError     stopped by the user; `--resume` collects (exit code 130)
    └── HardwareError            the platform or a job on it
        ├── RetryableError       asking again may help
        │   └── RateLimitedError asked too often
        ├── DeadlineError        no answer in time
        ├── AmbiguousSubmitError it is unknown whether a job was accepted
        ├── CredentialsError     the account cannot be used
        ├── DriftError           the device has drifted, and --on-drift stop was given (exit code 4)
        └── JobFailedError       a job failed or was cancelled; the platform's words verbatim

Every error echoes the value that was wrong and carries a hint: what to type next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class QhwError(Exception):
    """Root of the tree.

    Args:
        message: What is wrong, with the offending value.
        hint: What to type or change next.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}\n{hint}")
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[QhwError], tuple[str, str]]:
        """Let it be sent from another process."""
        return type(self), (self.message, self.hint)


class ConfigError(QhwError):
    """A setting is unknown, out of range, or does not apply to the chosen parts."""

    @classmethod
    def too_wide(cls, wanted: int, device: str, there: int) -> ConfigError:
        """Build the error of a circuit with more qubits than a device has."""
        return cls(
            f"A circuit of {wanted} qubits does not fit on {device}, which has {there}.",
            "Take a larger device (`qhw devices`), or train with fewer --qubits.",
        )


class UnknownNameError(QhwError):
    """A backend, device or run of this name does not exist."""

    @classmethod
    def nearest(cls, kind: str, name: str, known: Iterable[str], command: str) -> UnknownNameError:
        """Build the error with the nearest known names and the command that lists them all."""
        close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
        suggestion = f"Did you mean {' or '.join(close)}? " if close else ""
        return cls(f"There is no {kind} named {name!r}.", f"{suggestion}`{command}` lists them.")


class BackendUnavailableError(QhwError):
    """The backend exists but cannot be opened here."""


class OutputError(QhwError):
    """A file or a folder cannot be written."""


class DivergedError(QhwError):
    """A training has run away: its numbers mean nothing any more."""


class CanaryError(QhwError):
    """A model's gradient is not the one that is measured: what it trains is not the device."""

    exit_code = 4


class CacheError(QhwError):
    """The transpile cache cannot be read or written."""


class CheckpointError(QhwError):
    """A checkpoint is damaged, has another shape, or could not be saved."""


class BundleError(QhwError):
    """A model bundle is missing, damaged, or not good enough to use."""


class DataError(QhwError):
    """A data set is missing or is not what it claims to be."""


class DamagedFileError(QhwError):
    """A file of results is missing, cut short, or not what it claims to be."""

    @classmethod
    def of(cls, path: object, reason: object) -> DamagedFileError:
        """Build the error with the reason and what to do about the file."""
        return cls(
            f"{path} cannot be read: {reason}.",
            "Delete it, or put back a copy; the command that wrote it makes it anew.",
        )


class HubError(QhwError):
    """The hub of models refuses, or cannot be reached."""


class SweepError(QhwError):
    """Runs of a sweep failed; the others are finished."""

    exit_code = 1


class StudyError(QhwError):
    """Trainings of a study failed; the others are done, and what they came to is written."""

    exit_code = 5


class MitigationError(QhwError):
    """Error mitigation does not fit the data, or cannot be had for this use."""


class LedgerError(QhwError):
    """The ledger cannot be used, or what it holds contradicts what is asked."""


class BudgetReachedError(QhwError):
    """The next submission would pass a limit; nothing was sent."""

    exit_code = 3


class InstallationError(QhwError):
    """A package is missing, or something else that `qhw doctor` finds wrong with this machine."""


class BusyError(QhwError):
    """Another process is at work in the same run or deployment."""


class InterruptedWorkError(QhwError):
    """The user stopped the work; everything submitted is in the ledger."""

    exit_code = 130


class HardwareError(QhwError):
    """The platform refused, or something went wrong on the way to it."""


class RetryableError(HardwareError):
    """Something passing: asking again may help."""


class RateLimitedError(RetryableError):
    """The platform was asked too often."""


class DeadlineError(HardwareError):
    """No answer came in time; the call may still be under way."""


class AmbiguousSubmitError(HardwareError):
    """A submission got no clear answer: the job may or may not be there."""


class CredentialsError(HardwareError):
    """The account is missing, wrong, or not allowed to do this."""


class DriftError(HardwareError):
    """The device was recalibrated, and the user wants to stop then."""

    exit_code = 4


class JobFailedError(HardwareError):
    """A job failed or was cancelled; the message is the platform's own."""
