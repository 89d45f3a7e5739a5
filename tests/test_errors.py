"""The tree of errors: who is whose child, one line a message, which exit code."""

import inspect

import pytest

from aplomb import errors

USER = [errors.ShapeError, errors.ImageFileError, errors.ModelError, errors.RecipeError, errors.OutputError]


@pytest.mark.parametrize("kind", USER)
def test_what_a_user_can_mend_is_bad_input_and_exits_with_2(kind):
    assert issubclass(kind, errors.BadInput)
    assert issubclass(kind, ValueError)
    assert kind.exit_code == 2


def test_failures_of_ours_exit_with_1_and_are_not_bad_input():
    assert errors.RunError.exit_code == 1
    assert not issubclass(errors.RunError, errors.BadInput)


def test_one_except_catches_all():
    kinds = [value for _, value in inspect.getmembers(errors, inspect.isclass)]
    assert {kind.__name__ for kind in kinds} == set(errors.__all__)
    assert all(issubclass(kind, errors.AplombError) for kind in kinds)


def test_a_message_is_one_line_whatever_it_quotes():
    assert str(errors.ModelError("a\n  b\tc\r\n")) == "a b c"


def test_the_docstring_draws_every_error():
    assert errors.__doc__ is not None
    for name in errors.__all__:
        assert name in errors.__doc__
