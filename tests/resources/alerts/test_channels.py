"""The table of alert channels holds every type that a declaration may name."""

from typing import get_args

from declaration.alerts import ChannelSpec
from resources.alerts.channels import SENDERS


def test_every_declared_type_is_sent_to() -> None:
    assert set(SENDERS) == set(get_args(ChannelSpec.model_fields["type"].annotation))
