"""Faults of the block `alerts`, in the user's words."""

from pathlib import Path

import pytest

from declaration.alerts import ChannelSpec
from pipelines.loading.read import DeclarationError, read
from tests.fixtures.sound_declaration import SOUND, write


def faults(folder: Path, block: str) -> list[str]:
    """Return what is said of the sound declaration with a block `alerts`, without file and line."""
    write(folder)
    (folder / "defs.yaml").write_text(f"{SOUND}  alerts:\n    {block}\n")
    with pytest.raises(DeclarationError) as caught:
        read(folder)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("seen_in: 3", "alerts.seen_in is 3, but alerts.of_last is 1: nothing is seen in more windows"),
        ("of_last: 0", "alerts.of_last is 0"),
        ("channels: [{type: pager}]", "Allowed: log, webhook, slack, email"),
        ("channels: [{type: email, to: [a@b.example]}]", "alerts.channels[0] is an e-mail channel and lacks 'to' or 'sender'"),
        ("channels: [{type: log, url_from: DRIFTLINE_ALERT_X}]", "url_from is for webhook and slack only; this is 'type: log'"),
        ("channels: [{type: slack}, {type: slack}]", "names 'slack DRIFTLINE_ALERT_SLACK' twice"),
        ("channels: [{type: slack, url_from: AWS_SECRET_ACCESS_KEY}]", "but must name an environment variable that begins with DRIFTLINE_ALERT_."),
        ('channels: [{type: email, sender: a@b.example, to: ["x@y.example, z@y.example"]}]', "but must be a plain e-mail address"),
        ("silences: [{kind: performance, until: 2024-06-01T00:00:00Z, reason: known}]", "until has an offset"),
        ("silences: [{kind: performance, feature: amount, until: 2024-06-01, reason: known}]", "incidents of kind 'performance' have none"),
        ("silences: [{kind: perfomance, until: 2024-06-01, reason: known}]", "Did you mean 'performance'?"),
        ("silences: [{kind: performance, until: 2024-06-01}]", "missing key 'reason'"),
    ],
)  # fmt: skip
def test_each_fault_is_said(tmp_path: Path, block: str, said: str) -> None:
    (fault,) = faults(tmp_path, block)
    assert said in fault


def test_channels_of_one_type_differ_by_their_variable(tmp_path: Path) -> None:
    write(tmp_path)
    channels = "[{type: slack}, {type: slack, url_from: DRIFTLINE_ALERT_SLACK_OPS}]"
    (tmp_path / "defs.yaml").write_text(f"{SOUND}  alerts: {{channels: {channels}}}\n")
    assert [channel.name for channel in read(tmp_path).spec.alerts.channels] == [
        "slack DRIFTLINE_ALERT_SLACK",
        "slack DRIFTLINE_ALERT_SLACK_OPS",
    ]


@pytest.mark.parametrize(
    "address", ["x@y.example\n", "x@y.example\r\nBcc: z@y.example", "X <x@y.example>", "x"]
)
def test_an_address_is_one_address_and_no_header(address: str) -> None:
    with pytest.raises(ValueError, match="must be a plain e-mail address"):
        ChannelSpec(type="email", to=(address,), sender="a@b.example")
