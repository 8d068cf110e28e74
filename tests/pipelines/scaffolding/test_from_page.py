"""The first pages of an API become a declaration that loads, and reads every row: asked of real servers that page as well-known APIs do."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from driftline.history import history
from pipelines.loading.read import read
from pipelines.scaffolding.options import ScaffoldOptions
from pipelines.scaffolding.scaffolder import save, scaffold_source
from tests.fixtures.api_shapes import PAGE, STYLES, Row, ids_of, rows_of
from tests.fixtures.apis import Answer, Asking, serving
from tests.fixtures.replaying import replay_all
from tests.fixtures.stages import connected
from tests.pipelines.scaffolding.read_back import rejects_and_rows

pytest.importorskip("dlt", reason="the extra rest is not installed")

ROWS = rows_of(95)
MOST_REQUESTS = 13
"""The first answer, and two for each of the ways that are tried at most."""


def written(url: str, folder: Path, **options: str) -> str:
    """Scaffold an address into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = scaffold_source(
        ScaffoldOptions(source=url, **options), folder=folder, start=folder, type_name="driftline.MLPipeline"
    )
    save(files, folder)
    return files["defs.yaml"]


def dataset_of(text: str) -> dict[str, Any]:
    (dataset,) = yaml.safe_load(text)["attributes"]["datasets"].values()
    return dict(dataset)


def decisions(text: str) -> str:
    """Return the comments, each on one line."""
    return " ".join(line.strip().removeprefix("# ") for line in text.splitlines() if "#" in line)


@pytest.fixture
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"SHOP_{name}" for name in ("TOKEN", "USER", "PASSWORD", "KEY")]
    for name in names:
        # Set first, so that what the scaffold sets is taken back.
        monkeypatch.setenv(name, "")


pytestmark = pytest.mark.usefixtures("_clean_environment")


@pytest.mark.parametrize("name", STYLES)
def test_a_first_page_is_declared_as_it_pages_and_every_row_is_read(name: str, tmp_path: Path) -> None:
    style = STYLES[name]
    with serving(lambda asking: style.answer(ROWS, asking)) as api:
        text = written(f"{api.url}/v1/orders{style.query}", tmp_path / "shop")
        assert len(api.asked) <= MOST_REQUESTS
        dataset = dataset_of(text)
        source = dataset["source"]
        assert source.get("paging") == (None if style.paging is None else dict(style.paging))
        assert (source.get("rows"), source.get("params", {})) == (style.rows, dict(style.params))
        pipeline = read(tmp_path / "shop")
        (key,) = dataset["key"]
        n_rejected, rows = rejects_and_rows(pipeline, [key])
    assert (n_rejected, sorted(str(row[0]) for row in rows)) == (0, ids_of(ROWS))


@pytest.mark.parametrize("name", STYLES)
def test_an_api_of_one_page_is_declared_too(name: str, tmp_path: Path) -> None:
    style = STYLES[name]
    with serving(lambda asking: style.answer(ROWS[:12], asking)) as api:
        text = written(f"{api.url}/v1/orders{style.query}", tmp_path / "shop")
        n_rejected, rows = rejects_and_rows(read(tmp_path / "shop"), dataset_of(text)["key"])
    assert (n_rejected, sorted(str(row[0]) for row in rows)) == (0, ids_of(ROWS[:12]))
    # Nothing is taken for paging in silence.
    said = (
        "is one answer all",
        "no second one was seen",
        "is `paging` right?",
        "there is no second page",
        "holds all 12 rows",
    )
    assert any(one in decisions(text) for one in said)


def test_columns_stand_by_path_with_their_types(tmp_path: Path) -> None:
    with serving(lambda asking: STYLES["django_pages"].answer(ROWS, asking)) as api:
        text = written(f"{api.url}/v1/orders", tmp_path / "shop")
        _, rows = rejects_and_rows(
            read(tmp_path / "shop"),
            [
                "id",
                "created_at",
                "user_login",
                "user_siteAdmin",
                "assignee_login",
                "amount",
                "labels",
                "meta_epoch",
            ],
        )
    columns = dataset_of(text)["columns"]
    assert columns["user_login"] == {"type": "string", "source": "user.login"}
    assert columns["user_siteAdmin"] == {"type": "boolean", "source": "user.siteAdmin"}
    assert columns["assignee_login"] == {"type": "string", "source": "assignee.login", "optional": True}
    assert (columns["id"], columns["created_at"], columns["amount"]) == ("string", "timestamp_tz", "float")
    found = next(row for row in rows if row[0] == "ord_0004")
    # By hand: row 4 of `rows_of`, whose epoch is 1,700,014,400 seconds, 2023-11-15 02:13:20 in UTC.
    assert found == (
        "ord_0004", datetime(2024, 1, 5, 4, tzinfo=UTC), "u4", False, "a1", 5.0, '[{"name":"new"}]', datetime(2023, 11, 15, 2, 13, 20, tzinfo=UTC),
    )  # fmt: skip


def test_a_column_called_id_is_the_key_though_others_are_unique_too(tmp_path: Path) -> None:
    # Of the first rows alone: a significance that happens to repeat no value.
    rows = [{"place": f"p{i}", "sig": i, "id": f"us{i * 7919 % 1000}"} for i in range(200)]
    with serving(lambda _: Answer({"features": rows})) as api:
        text = written(f"{api.url}/v1/events", tmp_path / "shop")
    assert dataset_of(text)["key"] == ["id"]


def test_what_a_page_cannot_show_is_asked(tmp_path: Path) -> None:
    with serving(lambda asking: STYLES["stripe"].answer(ROWS, asking)) as api:
        asked = decisions(written(f"{api.url}/v1/orders", tmp_path / "shop"))
    for question in (
        "does the API give the rows of a time",
        "is one of created_at, meta_epoch when a row came to be?",
        "Identifies a row: unique on all 60 rows. Is there a better one?",
        "60 rows do not tell how long a partition is",
    ):
        assert question in asked
    assert "column_values_to_be_between" not in asked


def test_an_event_time_that_is_named_gives_partitions_of_time_without_an_end(tmp_path: Path) -> None:
    with serving(lambda asking: STYLES["stripe"].answer(ROWS, asking)) as api:
        text = written(f"{api.url}/v1/orders", tmp_path / "shop", event_time="created_at", target="state")
        n_rejected, rows = rejects_and_rows(read(tmp_path / "shop"), ["id"])
    assert (n_rejected, len(rows)) == (0, 95)
    partitions = yaml.safe_load(text)["attributes"]["partitions"]
    assert (partitions["every"], "end" in partitions) == ("day", False)
    assert "come from the first 60 rows alone. From when on are rows wanted?" in decisions(text)


def test_the_order_of_pages_is_no_event_time(tmp_path: Path) -> None:
    with (
        serving(lambda asking: STYLES["whole"].answer(ROWS, asking)) as api,
        pytest.raises(DriftlineError, match="pages of an API have no order"),
    ):
        written(f"{api.url}/v1/orders", tmp_path / "shop", event_time="rows")


def answering(body: Any, **headers: str) -> Callable[[Asking], Answer]:
    return lambda _: Answer(body, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answering(b"id,name\n1,a\n", Content_Type="text/csv"), "the answer is no JSON.*whose name ends in"),
        (answering(b"<html>sign in</html>"), "the answer is no JSON"),
        (answering({"data": []}), "has an empty list"),
        (answering([]), "is an empty list"),
        (answering({"id": 1, "name": "a"}), "has no list of objects"),
        (answering([1, 2]), "has no list of objects"),
        (answering("text"), "has no list of objects"),
        (lambda _: Answer({"error": "who are you"}, status=401), "answers 401.*who are you.*Set SHOP_TOKEN to a bearer token"),
        (lambda _: Answer({"error": "gone"}, status=404), "answers 404"),
    ],
)  # fmt: skip
def test_what_is_no_list_is_refused_in_words(
    answer: Callable[[Asking], Answer], said: str, tmp_path: Path
) -> None:
    with serving(answer) as api, pytest.raises(DriftlineError, match=said):
        written(f"{api.url}/v1/orders", tmp_path / "shop")
    assert not (tmp_path / "shop" / "defs.yaml").exists()


def test_a_server_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with serving(answering([])) as api:
        url = api.url
    with pytest.raises(DriftlineError, match="did not answer"):
        written(f"{url}/v1/orders", tmp_path / "shop")


def protected(header: str, value: str) -> Callable[[Asking], Answer]:
    def answer(asking: Asking) -> Answer:
        known = asking.headers.get(header) == value
        return STYLES["stripe"].answer(ROWS, asking) if known else Answer({"error": "no"}, status=401)

    return answer


def test_a_token_of_the_environment_is_used_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "t0p-s3cret")
    with serving(protected("authorization", "Bearer t0p-s3cret")) as api:
        text = written(f"{api.url}/v1/orders", tmp_path / "shop")
    assert dataset_of(text)["source"]["auth"] == {"type": "bearer", "token": {"env": "SHOP_TOKEN"}}
    assert "t0p-s3cret" not in text
    assert "are the variables set wherever this runs?" in decisions(text)


def test_a_password_in_the_address_goes_into_a_variable(tmp_path: Path) -> None:
    header = "Basic " + b64encode(b"me:p@ss").decode()
    with serving(protected("authorization", header)) as api:
        text = written(f"{api.url.replace('http://', 'http://me:p%40ss@')}/v1/orders", tmp_path / "shop")
        assert len(rejects_and_rows(read(tmp_path / "shop"), ["id"])[1]) == 95
    source = dataset_of(text)["source"]
    assert source["auth"] == {
        "type": "basic",
        "user": {"env": "SHOP_USER"},
        "password": {"env": "SHOP_PASSWORD"},
    }
    assert source["url"] == f"{api.url}/v1/orders"
    assert os.environ["SHOP_PASSWORD"] == "p@ss"
    assert "p%40ss" not in text
    assert "p@ss" not in text


def test_a_key_in_the_address_goes_into_a_variable(tmp_path: Path) -> None:
    def answer(asking: Asking) -> Answer:
        known = asking.params.get("api_key") == "s3cret-key"
        return STYLES["google"].answer(ROWS, asking) if known else Answer({"error": "no"}, status=403)

    with serving(answer) as api:
        text = written(f"{api.url}/v1/orders?api_key=s3cret-key&state=all", tmp_path / "shop")
    source = dataset_of(text)["source"]
    assert source["auth"] == {
        "type": "api_key",
        "name": "api_key",
        "where": "query",
        "key": {"env": "SHOP_KEY"},
    }
    assert source["params"] == {"state": "all"}
    assert "s3cret-key" not in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?state=a&state=b", "'state' is there twice"),
        ("?api_key=a&token=b", "more than one part of the address says who asks"),
        ("?since={start}", "parameters in braces"),
    ],
)
def test_an_address_that_no_declaration_holds_is_refused_without_its_secrets(
    query: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(DriftlineError, match=said) as caught:
        written(f"http://127.0.0.1:1/v1/orders{query}", tmp_path / "shop")
    assert "=b" not in str(caught.value)


def test_names_and_texts_of_the_answer_end_no_comment(tmp_path: Path) -> None:
    """Names of columns and lists in an answer are untrusted text."""
    rows = [
        {"id": i, "a: b\n- c": i * 2.5, "load_time": "x", 'q"uote': "y", "Ä ö": None, "1st": 1, "ID": i % 2}
        for i in range(40)
    ]
    body = {"data": rows, "x\ninjected: true": [{"b": 1}], "next_cursor\nevil: 1": "c"}
    with serving(answering(body)) as api:
        text = written(f"{api.url}/v1/orders", tmp_path / "shop")
    found = yaml.safe_load(text)
    assert set(found) == {"type", "attributes"}
    columns = dataset_of(text)["columns"]
    assert {one["source"] for one in columns.values() if isinstance(one, dict) and "source" in one} >= {
        "a: b\n- c",
        'q"uote',
        "load_time",
        "1st",
    }
    assert isinstance(read(tmp_path / "shop"), Pipeline)


def test_a_link_to_another_host_is_asked_about_and_not_followed(tmp_path: Path) -> None:
    with serving(answering(ROWS)) as other:

        def answer(asking: Asking) -> Answer:
            del asking
            return Answer({"data": ROWS[:PAGE], "next": f"{other.url}/v1/orders?page=2"})

        with serving(answer) as api:
            text = written(f"{api.url}/v1/orders", tmp_path / "shop")
        assert other.asked == []
    assert "paging" not in dataset_of(text)["source"]
    assert "is one answer all there is?" in decisions(text)
    assert "There is the URL at next, but source" in decisions(text)


def test_an_api_that_knows_no_page_is_not_taken_for_one_that_does(tmp_path: Path) -> None:
    with serving(answering({"data": ROWS[:PAGE], "total": 95})) as api:
        text = written(f"{api.url}/v1/orders", tmp_path / "shop")
    assert dataset_of(text)["source"]["paging"] == {"by": "none", "total": "total"}
    assert "how does the API page? The answer has 30 of 95 rows" in decisions(text)


@pytest.mark.parametrize(("body", "kind"), [(rows_of(20), "json"), ({"data": rows_of(20)}, "rest")])
def test_an_address_that_ends_in_json_is_a_file_unless_it_answers_as_an_api(
    body: Any, kind: str, tmp_path: Path
) -> None:
    pytest.importorskip("aiohttp", reason="the extra http is not installed")
    with serving(answering(body)) as api:
        text = written(f"{api.url}/v1/orders.json", tmp_path / "shop")
    assert dataset_of(text)["source"]["type"] == kind


def test_requests_are_few(tmp_path: Path) -> None:
    asked: list[Row] = []
    with serving(lambda asking: STYLES["django_pages"].answer(ROWS, asking)) as api:
        written(f"{api.url}/v1/orders", tmp_path / "shop")
        asked += [dict(one.params) for one in api.asked]
    # The first answer; then the first two pages as the declaration reads them.
    assert asked == [{}, {}, {"page": "2"}]


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "options", "n_partitions", "n_rows"),
    # Orders lie on the first 28 days of January 2024: 95 of them give each of the first four days four.
    [
        ("django_pages", {"target": "state"}, 1, 95),
        ("stripe", {"event_time": "created_at"}, 4, 16),
    ],
)
def test_a_scaffold_runs_as_written(
    name: str, options: dict[str, str], n_partitions: int, n_rows: int, tmp_path: Path
) -> None:
    with serving(lambda asking: STYLES[name].answer(ROWS, asking)) as api:
        written(f"{api.url}/v1/orders", tmp_path / "shop", **options)
        pipeline = read(tmp_path / "shop")
        replay_all(pipeline, tmp_path, last=n_partitions)
        found = history(pipeline, connected(tmp_path))
    assert (len(found), sum(partition.n_rows for partition in found)) == (n_partitions, n_rows)
