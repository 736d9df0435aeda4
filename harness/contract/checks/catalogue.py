"""Which checks follow from which claims, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterator

from harness.contract.checks.columns import (
    category_or_text_does_not_matter,
    column_order_does_not_matter,
    extra_columns_do_not_matter,
    int_or_float_does_not_matter,
    nullable_dtypes_do_not_matter,
    unseen_values_in_open_columns_are_answered,
)
from harness.contract.checks.hostile import (
    a_missing_column_is_refused_or_answered,
    another_spelling_is_refused_or_answered_the_same,
    hostile_rows_are_answered_or_refused,
    hostile_rows_get_no_silent_nonsense,
    hostile_rows_spoil_no_other_row,
)
from harness.contract.checks.outputs import (
    outputs_have_the_claimed_shape,
    outputs_have_the_claimed_type,
    row_checks,
    valid_rows_are_answered,
)
from harness.contract.checks.relations import declared_directions_hold, declared_invariants_hold
from harness.contract.checks.structure import (
    batch_equals_single,
    duplicates_get_the_same_answer,
    empty_batch,
    one_row,
    row_order_does_not_matter,
    same_input_gives_same_output,
    the_index_does_not_matter,
    the_input_is_left_alone,
    threads_get_the_same_answers,
)
from harness.contract.checks.training import training_rows_fit_the_schema
from harness.contract.claims import Claims
from harness.contract.promise import Check


def checks_for(claims: Claims) -> Iterator[Check]:
    """Yield the checks that *claims* call for; the few calls first, the sweep last."""
    yield training_rows_fit_the_schema
    yield one_row
    yield empty_batch
    yield same_input_gives_same_output
    yield the_input_is_left_alone
    yield batch_equals_single
    yield row_order_does_not_matter
    yield duplicates_get_the_same_answer
    yield the_index_does_not_matter
    yield column_order_does_not_matter
    yield extra_columns_do_not_matter
    yield int_or_float_does_not_matter
    yield nullable_dtypes_do_not_matter
    yield category_or_text_does_not_matter
    yield threads_get_the_same_answers
    if any(domain.open for domain in claims.domains):
        yield unseen_values_in_open_columns_are_answered
    if claims.monotone:
        yield declared_directions_hold
    if claims.invariant:
        yield declared_invariants_hold
    yield hostile_rows_are_answered_or_refused
    yield hostile_rows_get_no_silent_nonsense
    yield hostile_rows_spoil_no_other_row
    yield another_spelling_is_refused_or_answered_the_same
    yield a_missing_column_is_refused_or_answered
    yield valid_rows_are_answered
    yield outputs_have_the_claimed_shape
    yield outputs_have_the_claimed_type
    outputs = claims.outputs
    yield from row_checks(
        outputs.kind,
        positive_only=outputs.positive_only,
        bounded=outputs.minimum is not None or outputs.maximum is not None,
    )
