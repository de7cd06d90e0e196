"""`python -m oaa_bitbucket_async` is the same as the command `oaa-bitbucket-async`."""

from oaa_bitbucket_async.cli.main import main

if __name__ == "__main__":
    main()
