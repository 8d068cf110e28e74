"""Datasets of other pipelines are checked when definitions load: names, columns, types, cycles."""

from pathlib import Path

import pytest

from declaration.partitioning import partitioning
from declaration.partitions import PartitionsSpec
from declaration.upstream import UpstreamDataset
from driftline.cli import main
from pipelines.loading.read import DeclarationError, read
from tests.fixtures.two_pipelines import SHOP, WATCH, both, write_both


def faults(folder: Path, *changes: tuple[str, str], shop: str = SHOP) -> list[str]:
    text = WATCH
    for was, now in changes:
        assert was in text
        text = text.replace(was, now)
    _, watch = write_both(folder, shop=shop, watch=text)
    with pytest.raises(DeclarationError) as error:
        read(watch)
    return [fault.rpartition("defs.yaml:")[2] for fault in error.value.faults]


def test_a_sound_pair_loads_and_knows_how_the_other_is_cut(tmp_path: Path) -> None:
    write_both(tmp_path)
    _, watch = both(tmp_path)
    paid, countries = watch.upstream["paid"], watch.upstream["countries"]
    assert (paid.table, paid.is_aligned) == ("shop/profiled/orders", True)
    assert (countries.table, countries.has_same_clock) == ("shop/profiled/customers", False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            ("pipeline: shop, dataset: orders", "pipeline: shopp, dataset: orders"),
            "6: datasets.paid.source.pipeline names the unknown pipeline 'shopp'. Pipelines: shop. Did you mean 'shop'?",
            id="pipeline",
        ),
        pytest.param(
            ("pipeline: shop, dataset: orders", "pipeline: orders_watch, dataset: countries"),
            "6: datasets.paid.source.pipeline is 'orders_watch', this pipeline itself. Its SQL reads 'countries' as it is.",
            id="itself",
        ),
        pytest.param(
            ("dataset: orders}", "dataset: order}"),
            "6: datasets.paid.source.dataset names the unknown dataset 'order' of pipeline 'shop'. Its datasets: orders, "
            "customers. Did you mean 'orders'?",
            id="dataset",
        ),
        pytest.param(
            ("source: amount", "source: amuont"),
            "7: datasets.paid.columns.sum: dataset orders of pipeline shop has no column 'amuont'. Its columns: id, at, "
            "amount, customer. Did you mean 'amount'?",
            id="column",
        ),
        pytest.param(
            ("sum: {type: float,", "sum: {type: decimal,"),
            "7: datasets.paid.columns.sum is decimal, but 'amount' of dataset orders of pipeline shop is float. Declare that "
            "type; another one is made with `sql` in a column of its own.",
            id="type",
        ),
        pytest.param(
            ("dataset: orders}", "dataset: orders, path: x.csv}"),
            "6: datasets.paid.source.path is for csv and fixed_width and parquet and json and xml and excel and orc and avro "
            "and delta and iceberg and python sources only; this one is dataset.",
            id="key-of-another-type",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert faults(tmp_path, change) == [said]


def test_a_faulty_neighbour_is_named_and_its_own_faults_are_not_repeated(tmp_path: Path) -> None:
    said = faults(tmp_path, shop=SHOP.replace("columns: {customer: string", "colums: {customer: string"))
    assert said == [
        "6: datasets.paid.source.pipeline is 'shop', whose own declaration is faulty. Correct it first: driftline check shop",
        "11: datasets.countries.source.pipeline is 'shop', whose own declaration is faulty. Correct it first: driftline check shop",
    ]


def test_pipelines_that_read_each_other_are_refused(tmp_path: Path) -> None:
    back = SHOP.replace(
        "{type: csv, path: customers.csv}", "{type: dataset, pipeline: orders_watch, dataset: countries}"
    )
    assert faults(tmp_path, shop=back) == [
        "6: datasets.paid.source.dataset: pipelines read each other in a circle: orders_watch → shop → orders_watch. Remove one of "
        "the readings.",
        "11: datasets.countries.source.dataset: pipelines read each other in a circle: orders_watch → shop → orders_watch. Remove "
        "one of the readings.",
    ]
    # A circle that another one stands in is that one's fault.
    third = tmp_path / "third"
    third.mkdir()
    (third / "defs.yaml").write_text(WATCH)
    assert read(third).upstream["paid"].pipeline == "shop"


def test_check_finds_neighbours_in_any_folder_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "own"\n')
    monkeypatch.setenv("DRIFTLINE_PROJECT", str(tmp_path))
    write_both(tmp_path / "own" / "defs" / "sales")
    (tmp_path / "own" / "defs" / "team").mkdir()
    (tmp_path / "own" / "defs" / "sales" / "orders_watch").rename(
        tmp_path / "own" / "defs" / "team" / "orders_watch"
    )
    assert main(["check"]) == 0
    assert "No faults in 2 declarations." in capsys.readouterr().out


def upstream(own: PartitionsSpec, theirs: PartitionsSpec) -> UpstreamDataset:
    return UpstreamDataset("shop", "orders", theirs, "at", own, has_same_clock=True)


def cut(every: str, start: str, timezone: str = "UTC") -> PartitionsSpec:
    return PartitionsSpec.model_validate({"every": every, "start": start, "timezone": timezone})


@pytest.mark.parametrize(
    ("own", "theirs", "key"),
    [
        (cut("month", "2024-01-01"), cut("day", "2024-01-01"), "2024-02-01"),
        (cut("day", "2024-01-01"), cut("month", "2024-01-01"), "2024-02-11"),
        (cut("day", "2024-01-01"), cut("day", "2024-01-01", "Asia/Tokyo"), "2024-01-05"),
        (cut("week", "2024-01-01"), cut("day", "2024-01-01", "America/New_York"), "2024-03-10"),
    ],
)
def test_what_is_readable_is_what_a_single_partition_needs(
    own: PartitionsSpec, theirs: PartitionsSpec, key: str
) -> None:
    between = upstream(own, theirs)
    needed = between.needed(key)
    assert needed
    window, form = partitioning(own).window(key), partitioning(theirs)
    # They cover it, without a gap and without one too many.
    assert form.window(needed[0]).start <= window.start
    assert form.window(needed[-1]).end >= window.end
    assert form.window(needed[0]).end > window.start
    assert form.window(needed[-1]).start < window.end
    assert between.readable(needed)[key] == needed
    assert key not in between.readable(needed[1:])
    assert key not in between.readable(needed[:-1])
