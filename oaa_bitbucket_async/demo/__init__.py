"""An embedded Bitbucket and an embedded Veza: for `demo`, the tests and the benchmarks."""
