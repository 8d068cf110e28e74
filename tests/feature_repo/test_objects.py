"""A view's stored columns become typed Feast fields; what has no type is refused."""

import subprocess
import sys
from datetime import timedelta

import pyarrow as pa
import pytest

from declaration.spec import PipelineSpec
from feature_repo.objects import FeatureObjectError, StoredView, feast_objects
from tests.fixtures.tiny import DECLARATION

SPEC = PipelineSpec.model_validate(DECLARATION)


def stored(*fields: tuple[str, pa.DataType]) -> dict[str, StoredView]:
    instants = pa.timestamp("us", tz="UTC")
    known = [("machine", pa.string()), ("event_timestamp", instants)]
    return {"recent": StoredView("lake/tiny/features/recent", pa.schema([*known, *fields]))}


def test_columns_that_are_no_key_and_no_instant_are_features() -> None:
    rows = stored(("heat", pa.float64()), ("readings", pa.int32()), ("failed", pa.bool_()))
    (entity,), (view,) = feast_objects(SPEC, rows, tags={"driftline": "mark"})
    assert (entity.name, entity.join_key) == ("machine", "machine")
    assert {field.name: str(field.dtype) for field in view.features} == {
        "heat": "Float64", "readings": "Int64", "failed": "Bool",
    }  # fmt: skip
    assert view.ttl == timedelta(days=3)
    assert view.tags == {"driftline": "mark"}


@pytest.mark.parametrize("has_created", [True, False])
def test_the_creation_time_is_used_where_the_rows_have_one(has_created: bool) -> None:
    created = [("created_timestamp", pa.timestamp("us", tz="UTC"))] if has_created else []
    _, (view,) = feast_objects(SPEC, stored(("heat", pa.float64()), *created), tags={})
    assert view.batch_source is not None
    assert view.batch_source.created_timestamp_column == ("created_timestamp" if has_created else "")


def test_types_are_named_as_feast_names_them_without_its_import() -> None:
    # A view's columns are compared before Feast is needed, and its import costs more than the partition.
    code = (
        "import sys, pyarrow as pa\n"
        "from feature_repo.objects import feast_type_name\n"
        "kinds = pa.bool_(), pa.int64(), pa.float64(), pa.string(), pa.timestamp('us', 'UTC'), pa.date32()\n"
        "names = [feast_type_name(pa.field('a', kind)) for kind in kinds]\n"
        "assert 'feast' not in sys.modules\n"
        "import feast.types\n"
        "assert [str(getattr(feast.types, name)) for name in names] == names\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_column_without_a_feast_type_is_named() -> None:
    with pytest.raises(FeatureObjectError, match=r"'tags' is of type list.*Cast it in the view's SQL"):
        feast_objects(SPEC, stored(("tags", pa.list_(pa.string()))), tags={})
