"""What all tests share."""

import tests.examples  # noqa: F401  # registers the profiles before `--hypothesis-profile` chooses one
