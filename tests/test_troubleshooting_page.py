"""docs/troubleshooting.md has a row for every message with which a run can end."""

import re

from tests.messages import GAP, messages
from tests.pages import page


def _plain(text: str) -> str:
    """Without markup, and with each unknown part as one gap."""
    text = re.sub(r"\s+", " ", text.replace("`", "").replace("\\|", "|"))
    return re.sub(rf"{GAP}( ?{GAP})*", GAP, text)


def test_it_has_every_message() -> None:
    told = _plain(page("troubleshooting"))
    absent = [
        f"{message.where}: {message.text}"
        for message in messages()
        if _plain(message.text).strip(f" .:;,({GAP}") not in told
    ]
    assert not absent, "\n".join(["add these to docs/troubleshooting.md:", *absent])


def test_the_messages_are_found() -> None:
    """What the test above rests on: errors with a text of their own, with one by a name, and problems of settings."""
    found = {message.text for message in messages()}
    assert "Bitbucket has answered no request for … seconds." in found
    assert "… could not be written: …." in found
    assert "VEZA_API_KEY or VEZA_API_KEY_FILE is not set: Veza's API key." in found
    assert "The run was interrupted…." in found
    assert "The payload holds … grants of …, and … were collected: not uploaded." in found
    assert len(found) > 100
