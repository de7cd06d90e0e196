"""A shell is offered the project keys of the last upload."""

from click.shell_completion import ShellComplete

from oaa_bitbucket_async.cli.main import cli
from tests.integration.conftest import Benches


def test_project_keys_come_from_the_last_upload(bench: Benches) -> None:
    made = bench()
    assert made.run().code == 0
    keys = sorted(project.key for project in made.bitbucket.estate.projects if not project.key.startswith("~"))
    complete = ShellComplete(cli, {}, "oaa-bitbucket-async", "_OAA_BITBUCKET_ASYNC_COMPLETE")

    def offered(flag: str, begun: str) -> list[str]:
        words = ["--state-dir", str(made.state), flag]
        return [item.value for item in complete.get_completions(words, begun)]

    assert set(keys) <= set(offered("--project", ""))
    assert offered("--exclude-project", keys[0].lower()[:3])[0].startswith(keys[0][:3])
    assert keys[0] not in offered("--project", f"{keys[0]},")
    assert f"{keys[0]},{keys[1]}" in offered("--project", f"{keys[0]},")
