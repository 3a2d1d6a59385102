import json
from pathlib import Path

import pytest

from translators.kubernetes.verdicts import VERDICTS, markdown

FIELDS = json.loads((Path(__file__).parent / "data" / "app_fields.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_of_an_app_has_a_verdict(field: str) -> None:
    paths = [verdict.path for verdict in VERDICTS]
    assert any(path == field or path.startswith((f"{field}.", f"{field}[", f"{field}=")) for path in paths)


def test_no_field_has_two_verdicts() -> None:
    paths = [verdict.path for verdict in VERDICTS]
    assert len(paths) == len(set(paths))


def test_the_document_has_a_line_for_each() -> None:
    assert len(markdown().splitlines()) == len(VERDICTS) + 2
