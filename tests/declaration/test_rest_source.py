"""Declarations of APIs that contradict themselves, or hold a secret."""

from __future__ import annotations

from typing import Any

import pytest

from declaration.sources.rest import RestSourceSpec

KEY = {"type": "api_key", "name": "k", "key": {"env": "KEY"}}


def faults(**keys: Any) -> list[str]:
    spec = RestSourceSpec.model_validate({"type": "rest", "url": "https://api.example.com/v1/orders", **keys})
    return [f"{key} {sentence}" for key, sentence in spec.contradictions()]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://api.example.com", "api.example.com", "https://me:secret@api.example.com/", "https://api.example.com/?key=secret",
        "https://api.example.com/#secret", "https://", "https://api.example.com:99999/", "https://api.example.com\\@evil/",
        "https://api.example.com/a b", "https://[::1",
    ],
)  # fmt: skip
def test_an_address_holds_no_secret_and_is_one(url: str) -> None:
    oauth = {"type": "oauth", "token_url": url, "client_id": {"env": "A"}, "client_secret": {"env": "B"}}
    for fault in (*faults(url=url), *faults(auth=oauth)):
        assert "https://HOST/PATH" in fault
        assert "secret@" not in fault
        assert "key=" not in fault
    assert len(faults(url=url)) == len(faults(auth=oauth)) == 1


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"params": {"a": "{begin}"}},
            "params has '{begin}' in 'a', but there are {start}, {end} and {partition}",
        ),
        ({"params": {"page": "1"}, "paging": {"by": "page"}}, "params has 'page', which `paging` sets"),
        (
            {"params": {"n": "1"}, "paging": {"size": 5, "size_param": "n"}},
            "params has 'n', which `paging` sets",
        ),
        (
            {"params": {"k": "1"}, "auth": {**KEY, "where": "query"}},
            "auth sets the parameter 'k', and so does",
        ),
        ({"auth": {**KEY, "name": "a b"}}, "auth has the name 'a b', which is no name of a header"),
        ({"headers": {"a:": "b"}}, "headers has 'a:', which is no name of a header"),
        ({"headers": {"X-Api-Key": "sk-1"}}, "headers has 'X-Api-Key' with its value, which may be a secret"),
        ({"headers": {"Accept": "a\r\nb"}}, "headers has 'Accept' with signs that no header holds"),
        ({"paging": {"by": "cursor"}}, "paging is by cursor, but has no `next`"),
        ({"paging": {"by": "page", "next": "a"}}, "paging has `next`, which paging by page does not use"),
        ({"paging": {"by": "link", "start": 0}}, "paging has `start`, which paging by link does not use"),
        ({"paging": {"by": "link", "param": "p"}}, "paging has `param`, which paging by link does not use"),
        ({"paging": {"by": "page", "size": 9}}, "paging has one of `size` and `size_param`. Name both"),
        ({"paging": {"stable": True}}, "paging has `stable`, which paging by none does not use"),
    ],
)
def test_what_contradicts_itself_is_named(keys: dict[str, Any], said: str) -> None:
    (fault,) = faults(**keys)
    assert fault.startswith(said)


def test_a_sound_declaration_has_no_fault() -> None:
    assert not faults(url="http://[::1]:8080/a/b", params={"since": "{start}", "q": "x"}, auth=KEY)
    paging = {"by": "cursor", "next": "meta.next", "total": "meta.n", "size": 100, "size_param": "limit"}
    assert not faults(paging=paging, headers={"X-Key": {"env": "KEY"}, "Accept": "application/json"})


def test_only_slots_ask_for_a_window() -> None:
    spec = RestSourceSpec.model_validate({"type": "rest", "url": "https://a.example"})
    assert not spec.is_asked
    assert spec.model_copy(update={"params": {"a": "{start}"}}).is_asked
