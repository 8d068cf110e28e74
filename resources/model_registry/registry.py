"""The model registry: versions, aliases and model files in MLflow; no pickle is ever read or written."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import dagster as dg

from resources.model_registry.mlflow_store import open_store
from resources.model_registry.version import ModelRegistryError, ModelVersion, _read_version, _to_tags

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion
    from mlflow.tracking import MlflowClient

MODEL_FILE = "model.zip"
"""Name of the one file of a version, below its run's artifacts."""

UNNUMBERED = 0
"""`ModelVersion.version` of a model that is not registered yet."""

ALIASES = ("champion", "challenger", "previous")
"""The aliases we keep; others in the registry are left alone."""

KEY_TAG = "driftline.training_key"
"""Tag of the fingerprint of a version's training."""


@dataclass(frozen=True)
class TrainingRun:
    """MLflow's run of a training: its settings as they were written, and where the model file is."""

    run_id: str
    params: Mapping[str, str]
    model_file: str


class ModelRegistry(dg.ConfigurableResource):  # type: ignore[type-arg]
    """MLflow's tracking store and model registry; the registered model is named like the pipeline."""

    tracking_uri: str
    """MLflow's store: `sqlite:///…`, `postgresql+psycopg2://…`, or `env:` and the variable that holds such a URL."""
    artifact_root: str
    """Folder or bucket of the model files."""

    def prepare(self) -> None:
        """Create or check MLflow's schema; safe when several processes start at once."""
        open_store(self.tracking_uri)

    def champion(self, pipeline: str) -> ModelVersion | None:
        """Return the version that serves a pipeline (by name), or None before the first promotion."""
        number = self.aliases(pipeline).get("champion")
        return None if number is None else self.version(pipeline, number)

    def version(self, pipeline: str, number: int) -> ModelVersion:
        """Return one version of a pipeline (by name).

        Raises
        ------
        ModelRegistryError
            If there is no such version, or it was not registered by us.
        """
        from mlflow.exceptions import MlflowException

        try:
            return _read_version(open_store(self.tracking_uri).get_model_version(pipeline, str(number)))
        except MlflowException as error:
            raise ModelRegistryError(
                f"pipeline '{pipeline}' has no model version {number} in the registry. "
                "Materialize its model asset, or roll back to a version that the ledger names."
            ) from error

    def versions(self, pipeline: str) -> tuple[ModelVersion, ...]:
        """Return all versions of a pipeline (by name), oldest first."""
        entries = _search(open_store(self.tracking_uri), f"name = {_filter_text(pipeline)}")
        return tuple(sorted((_read_version(entry) for entry in entries), key=lambda version: version.version))

    def version_tags(self, pipeline: str) -> Mapping[int, Mapping[str, str]]:
        """Return what is noted of each version of a pipeline (by name)."""
        entries = _search(open_store(self.tracking_uri), f"name = {_filter_text(pipeline)}")
        return {int(entry.version): dict(entry.tags) for entry in entries}

    def find(self, pipeline: str, training_key: str) -> ModelVersion | None:
        """Return the version that came of a training, or None."""
        condition = f"name = {_filter_text(pipeline)} AND tags.`{KEY_TAG}` = {_filter_text(training_key)}"
        versions = [_read_version(entry) for entry in _search(open_store(self.tracking_uri), condition)]
        return min(versions, key=lambda version: version.version, default=None)

    def register(
        self,
        pipeline: str,
        model: ModelVersion,
        artifact: bytes,
        *,
        training_key: str,
        params: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Mapping[str, bytes] | None = None,
    ) -> ModelVersion:
        """Record one training as a run with its model file and a version; the same training only once.

        Parameters
        ----------
        pipeline
            Name of the pipeline, hence of the registered model and the experiment.
        model
            What is known about the model; its `version` is `UNNUMBERED`.
        artifact
            The model file.
        training_key
            Fingerprint of the training: registering it again returns the version that is there.
        params
            Settings of the training, kept with MLflow's run.
        metrics
            Figures of all candidates, kept with MLflow's run.
        tags
            Dataset versions, run id and reason, kept with the run and the version.
        files
            What stands beside the model file, by name: signature, input example, requirements.

        Returns
        -------
        ModelVersion
            The model with its number.

        Raises
        ------
        ModelRegistryError
            If the file's hash is not the one that `model` states.
        """
        if hashlib.sha256(artifact).hexdigest() != model.artifact_sha256:
            raise ModelRegistryError(
                f"model file of pipeline '{pipeline}' does not have the stated sha256 "
                f"{model.artifact_sha256}. Train again: the file was changed on its way here."
            )
        version = self.find(pipeline, training_key)
        if version is not None and version.artifact_sha256 == model.artifact_sha256:
            return version
        client = open_store(self.tracking_uri)
        contents = {**(files or {}), MODEL_FILE: artifact}
        run_id = self._record_run(client, pipeline, model, contents, params, metrics, tags)
        _ensure_registered_model(client, pipeline)
        described = {KEY_TAG: training_key, **_to_tags(model), **tags}
        created = client.create_model_version(
            pipeline,
            # The folder: MLflow looks for signature and example in it.
            source=f"runs:/{run_id}/",
            run_id=run_id,
            tags=described,
            description=f"{model.made_by}, {model.metric} {model.holdout_metric:.4f} on the holdout",
        )
        return replace(model, version=int(created.version), run_id=run_id)

    def keep_files(self, run_id: str, contents: Mapping[str, bytes]) -> None:
        """Keep files among the artifacts of MLflow's run, by their path; those of the same path are replaced."""
        client = open_store(self.tracking_uri)
        with tempfile.TemporaryDirectory() as folder:
            for path, content in contents.items():
                file = Path(folder) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            client.log_artifacts(run_id, folder)

    def training_run(self, pipeline: str, number: int) -> TrainingRun | None:
        """Return the run of a version of a pipeline (by name); None where it was deleted."""
        from mlflow.exceptions import MlflowException

        client = open_store(self.tracking_uri)
        try:
            run = client.get_run(str(client.get_model_version(pipeline, str(number)).run_id))
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return TrainingRun(run.info.run_id, dict(run.data.params), f"{run.info.artifact_uri}/{MODEL_FILE}")

    def aliases(self, pipeline: str) -> Mapping[str, int]:
        """Return our aliases of a pipeline (by name) and the versions they name."""
        from mlflow.exceptions import MlflowException

        try:
            registered = open_store(self.tracking_uri).get_registered_model(pipeline)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {name: int(number) for name, number in registered.aliases.items() if name in ALIASES}

    def point_aliases(self, pipeline: str, aliases: Mapping[str, int | None]) -> Mapping[str, int | None]:
        """Make the aliases name the wanted versions; return those that had to be changed.

        Raises
        ------
        ModelRegistryError
            If the registry does not have such a version.
        """
        from mlflow.exceptions import MlflowException

        present = self.aliases(pipeline)
        changed = {name: number for name, number in aliases.items() if present.get(name) != number}
        client = open_store(self.tracking_uri)
        for name, number in changed.items():
            if number is None:
                client.delete_registered_model_alias(pipeline, name)
                continue
            try:
                client.set_registered_model_alias(pipeline, name, str(number))
            except MlflowException as error:
                raise ModelRegistryError(
                    f"alias '{name}' of '{pipeline}' cannot name version {number}: {error}. The ledger knows that version: "
                    "restore MLflow's database from a backup (docs/how-to/recover.md)."
                ) from error
        return changed

    def model_file(self, pipeline: str, number: int, *, sha256: str) -> bytes:
        """Read a version's model file, if its bytes are the trusted ones.

        Parameters
        ----------
        pipeline
            Name of the pipeline.
        number
            The version.
        sha256
            Hash that the decision ledger holds for the version.

        Raises
        ------
        ModelRegistryError
            If the file is missing, or is not the one that was judged.
        """
        from mlflow.exceptions import MlflowException

        client = open_store(self.tracking_uri)
        try:
            run_id = client.get_model_version(pipeline, str(number)).run_id
            content = _read_artifact(client.get_run(str(run_id)).info.artifact_uri)
        except (MlflowException, OSError) as error:
            raise ModelRegistryError(
                f"model file of '{pipeline}' version {number} cannot be read: {error}. "
                "Restore the artifact folder from a backup, or materialize the model asset again."
            ) from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != sha256:
            raise ModelRegistryError(
                f"model file of '{pipeline}' version {number} has sha256 {digest}, but the ledger trusts "
                f"{sha256}: it was changed after it was judged and is not loaded. "
                "Restore it from a backup, or roll back to another version."
            )
        return content

    def _record_run(
        self,
        client: MlflowClient,
        pipeline: str,
        model: ModelVersion,
        contents: Mapping[str, bytes],
        params: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> str:
        from mlflow.entities import Metric, Param

        experiment = _experiment(client, pipeline, self._artifact_location(pipeline))
        milliseconds = int(model.registered_at.timestamp() * 1000)
        run = client.create_run(
            experiment,
            start_time=milliseconds,
            tags={**tags, "mlflow.source.name": "driftline"},
            run_name=f"{model.training_partition} {model.made_by}",
        )
        run_id: str = run.info.run_id
        client.log_batch(
            run_id,
            metrics=[Metric(name, value, milliseconds, 0) for name, value in metrics.items()],
            params=[Param(name, value) for name, value in params.items()],
        )
        self.keep_files(run_id, contents)
        client.set_terminated(run_id)
        return run_id

    def _artifact_location(self, pipeline: str) -> str:
        if "://" in self.artifact_root:
            return f"{self.artifact_root.rstrip('/')}/{pipeline}"
        return (Path(self.artifact_root).resolve() / pipeline).as_uri()


def _search(client: MlflowClient, condition: str) -> Sequence[MlflowVersion]:
    entries: list[MlflowVersion] = []
    token = None
    while True:
        page = client.search_model_versions(condition, max_results=1000, page_token=token)
        entries.extend(page)
        token = page.token
        if not token:
            return entries


def _filter_text(text: str) -> str:
    # MLflow's filter language has no escape; names and keys are checked identifiers and hashes.
    if "'" in text:
        raise ModelRegistryError(f"'{text}' cannot be looked up in MLflow: it holds a quotation mark.")
    return f"'{text}'"


def _experiment(client: MlflowClient, name: str, location: str) -> str:
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            # Another process was faster.
            experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return str(experiment.experiment_id)


def _ensure_registered_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException:
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _read_artifact(artifact_uri: str) -> bytes:
    parts = urlsplit(artifact_uri)
    if parts.scheme in ("", "file"):
        return (Path(unquote(parts.path)) / MODEL_FILE).read_bytes()
    from mlflow.artifacts import download_artifacts

    with tempfile.TemporaryDirectory() as folder:
        return Path(download_artifacts(f"{artifact_uri}/{MODEL_FILE}", dst_path=folder)).read_bytes()
