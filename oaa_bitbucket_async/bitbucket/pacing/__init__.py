"""May a request leave now? Knows a clock and nothing of sockets."""
