"""An embedded Veza: what the real oaaclient needs to push to, over TLS, with faults by name."""

from oaa_bitbucket_async.demo.veza.faults import Scripted
from oaa_bitbucket_async.demo.veza.server import EmbeddedVeza
from oaa_bitbucket_async.demo.veza.sources import Pushed

__all__ = ["EmbeddedVeza", "Pushed", "Scripted"]
