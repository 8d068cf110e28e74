"""A model as one file: the same bytes for the same model, and nothing but known types inside.

A zip of `manifest.json` (algorithm, classes, encoding; a naive forecast whole), the declared preprocessing, and the estimator:
boosters in their library's own format, scikit-learn's objects in skops'. The file's hash is checked by whoever fetches it.
Alone an estimator that its declaration calls trusted may be a pickle, which is code: it is read where the caller gives the hash
that the ledger has of the file, and nowhere else.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from declaration.extras import require_extra
from learning.algorithms.algorithm import Storage
from learning.algorithms.boosting import XgboostModel
from learning.algorithms.own import estimator_from_pickle, pickle_bytes, safe_bytes
from learning.algorithms.table import ALGORITHMS
from learning.differences import Difference
from learning.encode import FeatureEncoding
from learning.fitted import FittedModel
from learning.naive_forecast import NAIVE, NaiveForecast
from learning.postprocessing import Postprocessing
from learning.skops_file import ModelFileError, skops_bytes, skops_from, zip_of

if TYPE_CHECKING:
    from learning.preprocess.text import ColumnText

FORMAT = 1
"""Version of the layout of the file."""

MANIFEST = "manifest.json"
"""Name of the part that says what a model file is."""

_SKOPS, _LIGHTGBM, _XGBOOST = "estimator.skops", "estimator.txt", "estimator.ubj"
_PICKLE, _PREPROCESSING = "estimator.pickle", "preprocessing.skops"


def model_to_bytes(model: FittedModel) -> bytes:
    """Write a model as one file; the same model gives the same bytes."""
    manifest = {
        "format": FORMAT,
        "algorithm": model.algorithm,
        "candidate": model.name,
        "problem": model.problem,
        "classes": list(model.classes),
        "features": model.encoding.to_plain(),
    }
    if model.algorithm == NAIVE.use:
        manifest["naive"] = model.estimator.to_plain()
    if postprocessing := model.postprocessing.to_plain():
        manifest["postprocessing"] = postprocessing
    if model.difference is not None:
        manifest["difference"] = model.difference.to_plain()
    parts = {MANIFEST: json.dumps(manifest, sort_keys=True, ensure_ascii=False).encode()}
    if model.preprocessing is not None:
        parts[_PREPROCESSING] = skops_bytes(model.preprocessing)
    if model.algorithm != NAIVE.use:
        name, content = _written(model)
        parts[name] = content
    return zip_of(parts, zipfile.ZIP_DEFLATED)


def _written(model: FittedModel) -> tuple[str, bytes]:
    """Return the name and the bytes of the estimator's part; an estimator of no safe format is a pickle."""
    if model.algorithm in ALGORITHMS:
        name, write, _ = _STORAGES[ALGORITHMS[model.algorithm].storage]
        return name, write(model.estimator)
    if (content := safe_bytes(model.estimator)) is not None:
        return _SKOPS, content
    return _PICKLE, pickle_bytes(model.estimator)


def model_from_bytes(content: bytes, *, ledger_sha256: str | None = None) -> FittedModel:
    """Read a model file whose hash the caller has checked.

    Parameters
    ----------
    content
        The file.
    ledger_sha256
        Hash that the ledger has of the file. Without it a file with a pickle is not read: a pickle runs whatever is in it.

    Raises
    ------
    ModelFileError
        If the file is not a model file, holds a type that is not in `ALLOWED_TYPES`, or a pickle that the ledger does not
        vouch for.
    """
    manifest, parts = _opened(content)
    if _PICKLE in parts and hashlib.sha256(content).hexdigest() != ledger_sha256:
        raise ModelFileError(
            "model file holds a pickle, which is code, and "
            + (
                "nobody says what hash the ledger has of it"
                if ledger_sha256 is None
                else "its hash is not the ledger's"
            )
            + ". It is not loaded. Restore the file from a backup, or materialize the model asset again."
        )
    preprocessing, difference = parts.get(_PREPROCESSING), manifest.get("difference")
    return FittedModel(
        algorithm=manifest["algorithm"],
        problem=manifest["problem"],
        classes=tuple(manifest["classes"]),
        encoding=FeatureEncoding.from_plain(manifest["features"]),
        estimator=_estimator_from(manifest, parts),
        candidate=manifest.get("candidate", ""),
        postprocessing=Postprocessing.from_plain(manifest.get("postprocessing", {})),
        preprocessing=skops_from(preprocessing) if preprocessing is not None else None,
        difference=Difference.from_plain(difference) if difference is not None else None,
    )


def _opened(content: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the manifest and the parts of a model file; nothing of them is read yet."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(parts[MANIFEST])
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ModelFileError(
            f"this is not a model file of ours ({error}). Restore it from a backup, "
            "or materialize the model asset again."
        ) from error
    if manifest["format"] != FORMAT:
        raise ModelFileError(
            f"model file has layout {manifest['format']}, this release reads {FORMAT}. "
            "Use the release that wrote it, or materialize the model asset again."
        )
    return manifest, parts


def preprocessing_texts(content: bytes) -> tuple[ColumnText, ...]:
    """Say what the preprocessing in a model file learned; the estimator beside it is not read."""
    from learning.preprocess.text import learned_texts

    manifest, parts = _opened(content)
    if _PREPROCESSING not in parts:
        return ()
    return learned_texts(skops_from(parts[_PREPROCESSING]), FeatureEncoding.from_plain(manifest["features"]))


def _estimator_from(manifest: dict[str, Any], parts: dict[str, bytes]) -> Any:
    if manifest["algorithm"] == NAIVE.use:
        return _naive_from(manifest)
    algorithm = manifest["algorithm"]
    if _PICKLE in parts:
        return estimator_from_pickle(parts[_PICKLE])
    if ":" in algorithm:
        return skops_from(parts[_SKOPS])
    if algorithm not in ALGORITHMS:
        raise ModelFileError(
            f"model file has the algorithm '{algorithm}', which this release does not know. "
            "Use the release that wrote it, or materialize the model asset again."
        )
    name, _, read = _STORAGES[ALGORITHMS[algorithm].storage]
    return read(parts[name])


def _naive_from(manifest: dict[str, Any]) -> NaiveForecast:
    column, otherwise = manifest["naive"]["column"], manifest["naive"]["otherwise"]
    n_features = len(FeatureEncoding.from_plain(manifest["features"]).names)
    if column is not None and not (isinstance(column, int) and 0 <= column < n_features):
        raise ModelFileError(
            f"model file forecasts with feature {column!r} of {n_features}. It is not used. "
            "Restore the file from a backup, or materialize the model asset again."
        )
    return NaiveForecast(column, float(otherwise))


def _lightgbm_bytes(booster: Any) -> bytes:
    # The number of threads is the machine's, not the model's.
    text: str = re.sub(r"\[num_threads: \d+\]", "[num_threads: 1]", booster.model_to_string())
    return text.encode()


def _xgboost_bytes(model: XgboostModel) -> bytes:
    return bytes(model.booster.save_raw("ubj"))


def _xgboost_from(content: bytes) -> XgboostModel:
    require_extra("xgboost", "this model's algorithm, 'xgboost',")
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(content))
    return XgboostModel(booster)


def _lightgbm_from(text: bytes) -> Any:
    require_extra("lightgbm", "this model's algorithm, 'lightgbm',")
    import lightgbm

    return lightgbm.Booster(model_str=text.decode())


_STORAGES: Mapping[Storage, tuple[str, Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "skops": (_SKOPS, skops_bytes, skops_from),
    "lightgbm": (_LIGHTGBM, _lightgbm_bytes, _lightgbm_from),
    "xgboost": (_XGBOOST, _xgboost_bytes, _xgboost_from),
}
"""Name of the part, writer and reader of each format."""
