"""Checks of the alerts block: channels, silences and counts of windows that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from declaration.alerts import AlertsSpec, ChannelSpec, SilenceSpec
from pipelines.loading.problems import Check, Fault, label

OWN_KEYS = {"url_from": ("webhook", "slack"), "to": ("email",), "sender": ("email",)}
"""Keys of a channel that only some types know."""


def alert_checks(alerts: AlertsSpec) -> Iterator[Check]:
    """Check the block `alerts`."""
    counts = ("alerts", "seen_in"), ("alerts", "of_last")
    yield Check(counts, partial(_count_faults, alerts))
    for position, channel in enumerate(alerts.channels):
        yield Check([("alerts", "channels", position)], partial(_channel_faults, position, channel))
    yield Check([("alerts", "channels")], partial(_twin_faults, alerts))
    for position, silence in enumerate(alerts.silences):
        yield Check([("alerts", "silences", position)], partial(_silence_faults, position, silence))


def _count_faults(alerts: AlertsSpec) -> Iterator[Fault]:
    if alerts.seen_in > alerts.of_last:
        text = (
            f"alerts.seen_in is {alerts.seen_in}, but alerts.of_last is {alerts.of_last}: nothing is seen in more windows "
            "than there are. Raise of_last."
        )
        yield Fault(("alerts", "seen_in"), text)


def _channel_faults(position: int, channel: ChannelSpec) -> Iterator[Fault]:
    at = ("alerts", "channels", position)
    for key, types in OWN_KEYS.items():
        if key in channel.model_fields_set and channel.type not in types:
            text = f"{label((*at, key))} is for {' and '.join(types)} only; this is 'type: {channel.type}'. Remove it."
            yield Fault((*at, key), text)
    if channel.type == "email" and not (channel.to and channel.sender):
        yield Fault(at, f"{label(at)} is an e-mail channel and lacks 'to' or 'sender'. Give both.")


def _twin_faults(alerts: AlertsSpec) -> Iterator[Fault]:
    names = [channel.name for channel in alerts.channels]
    for position, name in enumerate(names):
        if name in names[:position]:
            text = f"alerts.channels names '{name}' twice: every alert would be sent twice. Remove one."
            yield Fault(("alerts", "channels", position), text)


def _silence_faults(position: int, silence: SilenceSpec) -> Iterator[Fault]:
    at = ("alerts", "silences", position)
    if silence.until.tzinfo is not None:
        text = f"{label(at)}.until has an offset ({silence.until.isoformat()}). Write the wall clock in partitions.timezone."
        yield Fault((*at, "until"), text)
    if silence.feature is not None and silence.kind not in (None, "feature_drift", "stale_features"):
        text = f"{label(at)} names a feature, but incidents of kind '{silence.kind}' have none. Remove one of the two."
        yield Fault((*at, "feature"), text)
