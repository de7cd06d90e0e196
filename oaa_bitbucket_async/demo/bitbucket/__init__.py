"""A Bitbucket Server REST API over real HTTP, with a synthetic estate behind it."""

from oaa_bitbucket_async.demo.bitbucket.faults import FAULTS, ServerFault
from oaa_bitbucket_async.demo.bitbucket.options import RateLimit, ServerOptions
from oaa_bitbucket_async.demo.bitbucket.routes import KINDS
from oaa_bitbucket_async.demo.bitbucket.server import EmbeddedBitbucket

__all__ = ["FAULTS", "KINDS", "EmbeddedBitbucket", "RateLimit", "ServerFault", "ServerOptions"]
