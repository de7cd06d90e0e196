"""Decides whether a request may be sent now. Knows a clock, but no sockets."""

from oaa_bitbucket_async.bitbucket.pacing.clock import Clock, LoopClock
from oaa_bitbucket_async.bitbucket.pacing.gate import Stopped
from oaa_bitbucket_async.bitbucket.pacing.pacer import LimitChange, Pacer

__all__ = ["Clock", "LimitChange", "LoopClock", "Pacer", "Stopped"]
