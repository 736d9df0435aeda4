"""Every way a user can be wrong, one class each.

Only ``harness.cli`` catches these, prints ``error:`` and ``hint:`` and returns the exit code
(0 done, 1 a check failed, 2 wrong usage or file, 3 an environment could not be built or started,
4 undecided or no data). A traceback means a bug of ours.
"""

from __future__ import annotations


class HarnessError(Exception):
    """Something the user can mend: what happened, why, and what to do next."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


# spec
class SpecMissing(HarnessError):
    """A specification file is not where it was looked for."""


class SpecInvalid(HarnessError):
    """A specification can't be read; the message lists every problem with its dotted path."""


class UnknownEnvironment(HarnessError):
    """No environment of that name and version in the source."""


class NotBuiltYet(HarnessError):
    """A setting of the design that this version does not enforce; refused, never ignored."""


# lock, fetch
class LockMissing(HarnessError):
    """The environment has a specification and no lock."""


class LockOutOfDate(HarnessError):
    """The specification changed after the lock was written."""


class LockInvalid(HarnessError):
    """A lock is damaged or not of the form that this version reads."""


class PlatformMissing(HarnessError):
    """A lock or an image of others holds nothing for this kind of machine."""


class EnvironmentChanged(HarnessError):
    """A name stands for another lock than the one that ``environment.lock`` records."""


class ReleaseFinal(HarnessError):
    """What would change a released version, which never changes."""


class ReleaseBroken(HarnessError):
    """A released lock is gone, or is not the one that was released."""

    exit_code = 1


class ResolutionFailed(HarnessError):
    """The requirements can't be resolved."""

    exit_code = 3


class HashMismatch(HarnessError):
    """A file's bytes are not those that the lock names."""

    exit_code = 3


class LockedFileGone(HarnessError):
    """A file that the lock names is not offered by any source any more."""

    exit_code = 3


class BundleInvalid(HarnessError):
    """A bundle is not there, is damaged, or would hold two files of one name."""


class SourceMissing(HarnessError):
    """No source is configured for a kind of file."""


class SignatureInvalid(HarnessError):
    """An index's signature doesn't hold, or none of its signers is trusted."""

    exit_code = 3


class NetworkUnavailable(HarnessError):
    """A source could not be reached."""

    exit_code = 3


class AccessRefused(HarnessError):
    """A registry wants another login, or none may do this."""

    exit_code = 3


class RegistryRefused(HarnessError):
    """A registry answers, and does not do or does not allow what was asked."""

    exit_code = 3


class ImageMissing(HarnessError):
    """A registry, a layout or this machine's store has no such image."""

    exit_code = 3


class ImageInvalid(HarnessError):
    """What should be an image is damaged, or of a form that no engine here could run."""

    exit_code = 3


class ToolMissing(HarnessError):
    """A program or optional dependency that this step needs is not installed."""


# audit, patch
class AdvisoriesMissing(HarnessError):
    """There is no snapshot of advisories, or it says nothing of what was asked: no data."""

    exit_code = 4


class AdvisoriesInvalid(HarnessError):
    """A snapshot holds what is no advisory in OSV's format."""


# content, image, engine
class PackageRefused(HarnessError):
    """A package holds what no image of ours may hold; named with its path."""

    exit_code = 3


class PackageConflict(HarnessError):
    """Two packages write one path with different bytes."""

    exit_code = 3


class BuildFailed(HarnessError):
    """An image could not be built."""

    exit_code = 3


class EngineUnavailable(HarnessError):
    """No engine can run a command in an image here."""

    exit_code = 3


class JobFailed(HarnessError):
    """A command that the line itself needs ended badly inside the image."""

    exit_code = 3


class StoreDamaged(HarnessError):
    """A stored blob, tree or record is not what it was when it was stored."""

    exit_code = 3


class StoreUnavailable(HarnessError):
    """The store's folder can't be made or written to."""

    exit_code = 3


# evidence
class EvidenceInvalid(HarnessError):
    """Evidence of an image is damaged, or of a form that this version can't read."""


class ProvenanceMissing(HarnessError):
    """Nothing says how an image was made, so that it can't be made again."""

    exit_code = 4


class KeyUnusable(HarnessError):
    """A key can't be read, or is of another kind than Ed25519."""


# model, contract, data
class ModelUnusable(HarnessError):
    """A model can't be loaded or called at all."""

    exit_code = 1


class TrainingFailed(HarnessError):
    """The declared training ended badly."""

    exit_code = 1


class UntrustedPickle(HarnessError):
    """A pickle would run code of its author; ``--trust`` says that this is wanted."""


class CheckUnknown(HarnessError):
    """No check has that name."""


class RowUndrawable(HarnessError):
    """Hypothesis would never draw this row from the schema."""


class PropertyUnusable(HarnessError):
    """A test of rows returned something else than one True or False a row."""

    exit_code = 1


class HypothesisUnknown(HarnessError):
    """This version of Hypothesis stores its examples in a way that we don't know."""


class DataMissing(HarnessError):
    """A declared data file is not there."""

    exit_code = 4


class DataInvalid(HarnessError):
    """A data file can't be read, or lacks a declared column."""


# decision, ledger
class LedgerMissing(HarnessError):
    """No ledger where one must be: a new one would have no champion and no looks spent."""


class LedgerInvalid(HarnessError):
    """The ledger's chain doesn't hold; the message names the first entry that is wrong."""


class LedgerMoved(HarnessError):
    """Somebody else appended first."""


class LedgerUnavailable(HarnessError):
    """The ledger can't be read or written just now: permissions, a full disk, a held lock."""


class PolicyChanged(HarnessError):
    """The declared policy is not the sealed one."""


class NoLooksLeft(HarnessError):
    """All looks of this holdout are spent."""

    exit_code = 4


class UnknownModel(HarnessError):
    """The ledger has no such model or number."""


class ChampionMissing(HarnessError):
    """The champion's image is not in this machine's store, so nothing can be compared with it."""

    exit_code = 3
