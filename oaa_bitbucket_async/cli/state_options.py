"""The flags for what a run keeps from one to the next, and for what it refuses to upload."""

from pathlib import Path

import click

from oaa_bitbucket_async.cli.options import INTEGRITY
from oaa_bitbucket_async.cli.setting import Number, Setting
from oaa_bitbucket_async.settings import State

_allow_partial = click.option(
    "--allow-partial",
    cls=Setting,
    group=INTEGRITY,
    envvar="OAA_ALLOW_PARTIAL",
    is_flag=True,
    default=False,
    help="Upload even though something could not be collected; exits 3 all the same.",
)
_max_removed = click.option(
    "--max-removed",
    cls=Setting,
    group=INTEGRITY,
    envvar="OAA_MAX_REMOVED",
    type=Number(min=0, max=100),
    metavar="PERCENT",
    default_text="off",
    help="Do not upload what removes more of the last upload's grants, or of its memberships; exits 3.",
)
_state_dir = click.option(
    "--state-dir",
    cls=Setting,
    group=INTEGRITY,
    envvar="OAA_STATE_DIR",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    default_text="the user's state folder",
    help="Where an unfinished run keeps what it has, and the last upload is kept.",
)
_resume = click.option(
    "--resume/--no-resume",
    cls=Setting,
    group=INTEGRITY,
    envvar="OAA_RESUME",
    default=True,
    help="Go on where an unfinished run stopped.",
)
_resume_window = click.option(
    "--resume-window",
    cls=Setting,
    group=INTEGRITY,
    envvar="OAA_RESUME_WINDOW",
    type=Number(min=0),
    default=State(directory=Path()).resume_window,
    metavar="S",
    help="Seconds for which what an unfinished run has collected counts.",
)
_keep_last = click.option(
    "--keep-last/--no-keep-last",
    cls=Setting,
    group=INTEGRITY,
    envvar="OAA_KEEP_LAST",
    default=True,
    help="Keep the last upload, to tell what the next one changes.",
)
integrity_options = (_allow_partial, _max_removed, _state_dir, _resume, _resume_window, _keep_last)
last_upload_options = (_max_removed, _state_dir, _keep_last)
