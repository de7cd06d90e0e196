"""Bitbucket's audit log: its rows, where they are kept, and what its endpoints answer (AUDIT.md)."""

from oaa_bitbucket_async.demo.bitbucket.audit.endpoints import AuditEndpoints
from oaa_bitbucket_async.demo.bitbucket.audit.log import AuditLog

__all__ = ["AuditEndpoints", "AuditLog"]
