"""The embedded servers with what only tests and benchmarks need: load, odd behaviour, changes at a request, a log."""

from tests.servers.audit import RiggedAuditLog
from tests.servers.bitbucket import LoggedRequest, RiggedBitbucket, RiggedOptions
from tests.servers.capacity import Capacity, TokenBucket
from tests.servers.faults import FAULTS, Fault
from tests.servers.veza import RiggedVeza, Scripted

__all__ = [
    "FAULTS",
    "Capacity",
    "Fault",
    "LoggedRequest",
    "RiggedAuditLog",
    "RiggedBitbucket",
    "RiggedOptions",
    "RiggedVeza",
    "Scripted",
    "TokenBucket",
]
