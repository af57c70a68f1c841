"""Fields spell the attributes of their elements as the library does, whatever stands in them."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from markupsafe import Markup
from wtforms import widgets

from app.core.attributes import attributes

CASES: list[dict[str, Any]] = [
    {"class_": "field", "for_": "x", "data_kind": "a_b", "aria_described_by": "help", "hx-get": "/a?b=1&c=2"},
    {"value": 'He said "no" & <left>', "title": "it's"},
    {"value": Markup('<b title="x">'), "placeholder": Markup("&amp;")},
    {"required": True, "checked": False, "maxlength": 500, "value": None, "rows": 0},
    {'on"x': "y", "<name>": True},
    {},
]


@pytest.fixture(scope="module")
def library() -> ModuleType:
    """The library's own, loaded apart from the one that ours stands in for."""
    found = importlib.util.find_spec("wtforms.widgets.core")
    assert found is not None and found.loader is not None
    apart = importlib.util.module_from_spec(found)
    found.loader.exec_module(apart)
    return apart


@pytest.mark.parametrize("given", CASES)
def test_attributes_are_spelled_to_the_letter_as_by_the_library(given: dict[str, Any], library: ModuleType) -> None:
    assert attributes(**given) == library.html_params(**given)
    assert isinstance(attributes(**given), Markup)


def test_every_widget_of_the_application_spells_so(app: Flask, library: ModuleType) -> None:
    holding = [
        name for name in dir(library)
        if isinstance(getattr(library, name), type) and "html_params" in vars(getattr(library, name))
    ]
    assert [getattr(widgets, name).html_params for name in holding] == [attributes] * len(holding) != []
    assert vars(widgets.core)["html_params"] is attributes
