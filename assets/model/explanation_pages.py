"""Pages of a training's explanation in the stage's metadata: Markdown with pictures inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from assets.model.explanation_pictures import (
    SLICE_HEADER,
    confusion_rows,
    effect_pictures,
    importances_picture,
    learning_picture,
    learning_text,
    precision_recall_picture,
    residuals_picture,
    slice_rows,
    slices_text,
)
from charts import as_markdown_cell, as_markdown_image
from learning.explain.explanation import Explanation
from learning.metrics import Scored
from learning.train import Training

N_SHOWN_EFFECTS = 4
"""Features whose effect the stage's page draws; a model card has all that were measured."""


def explanation_pages(
    explanation: Explanation, training: Training, models: Mapping[str, Scored]
) -> Mapping[str, str]:
    """Return the Markdown pages of an explanation, by metadata key.

    Parameters
    ----------
    explanation, training
        What was explained.
    models
        Scored rows by the model's name, the challenger first.
    """
    return dict(_pages(explanation, training, models))


def _pages(
    explanation: Explanation, training: Training, models: Mapping[str, Scored]
) -> Iterator[tuple[str, str]]:
    problem, classes = training.model.problem, training.model.classes
    yield (
        "feature_importances",
        as_markdown_image(
            importances_picture(explanation.importances, training.metric), "Feature importances"
        ),
    )
    pictures = list(effect_pictures(explanation.effects[:N_SHOWN_EFFECTS], problem, classes))
    if pictures:
        yield "effects", "\n\n".join(as_markdown_image(picture, name) for name, picture in pictures)
    yield "slices", _slices_page(explanation, training)
    if explanation.curve.points:
        picture = learning_picture(explanation.curve, training.metric)
        yield (
            "learning_curve",
            f"{learning_text(explanation.curve)}\n\n{as_markdown_image(picture, 'Learning curve')}",
        )
    else:
        yield "learning_curve", learning_text(explanation.curve)
    if problem == "binary":
        yield "precision_recall", as_markdown_image(precision_recall_picture(models), "Precision and recall")
    if problem == "regression":
        yield "residuals", as_markdown_image(residuals_picture(training.holdout), "Residuals")
    else:
        yield (
            "confusion",
            markdown_table(*confusion_rows(training.holdout, problem, classes, explanation.threshold)),
        )


def _slices_page(explanation: Explanation, training: Training) -> str:
    search = explanation.slices
    parts = [slices_text(search, training.model.problem)]
    if search.worst:
        parts.append(f"Surely worse:\n\n{markdown_table(SLICE_HEADER, slice_rows(search.worst))}")
    if search.singles:
        parts.append(
            f"By one column, the greatest loss first:\n\n{markdown_table(SLICE_HEADER, slice_rows(search.singles))}"
        )
    return "\n\n".join(parts)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay cells out as a table of Markdown; the first column is text, the others are figures."""
    return "\n".join(
        [
            f"| {' | '.join(as_markdown_cell(cell) for cell in header)} |",
            f"|---|{'---:|' * (len(header) - 1)}",
            *(f"| {' | '.join(as_markdown_cell(cell) for cell in row)} |" for row in rows),
        ]
    )
