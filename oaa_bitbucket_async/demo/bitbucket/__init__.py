"""A Bitbucket Server REST API over real HTTP, with a synthetic estate behind it."""

from oaa_bitbucket_async.demo.bitbucket.capacity import Capacity, TokenBucket
from oaa_bitbucket_async.demo.bitbucket.faults import FAULTS, Fault
from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions
from oaa_bitbucket_async.demo.bitbucket.routes import KINDS
from oaa_bitbucket_async.demo.bitbucket.server import EmbeddedBitbucket, Request

__all__ = ["FAULTS", "KINDS", "Capacity", "EmbeddedBitbucket", "Fault", "Request", "ServerOptions", "TokenBucket"]
