"""The journal: what a run has collected, on disk, so that the next run can continue after an interruption."""

from oaa_bitbucket_async.collect.journal.base import Base, NoBaseError, delete_base
from oaa_bitbucket_async.collect.journal.journal import Journal
from oaa_bitbucket_async.collect.journal.records import JOURNAL_VERSION, Fingerprint, Replayed
from oaa_bitbucket_async.collect.kinds import AnyRow

__all__ = ["JOURNAL_VERSION", "AnyRow", "Base", "Fingerprint", "Journal", "NoBaseError", "Replayed", "delete_base"]
