"""An embedded Veza: what the real oaaclient needs to push to, over TLS."""

from oaa_bitbucket_async.demo.veza.server import EmbeddedVeza

__all__ = ["EmbeddedVeza"]
