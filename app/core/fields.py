"""Form fields that keep what was typed and give what commands take: ids, enums, amounts, durations."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import wtforms
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.core.durations import BadDuration, format_duration, parse_duration
from app.core.errors import Refused
from app.core.ids import parse_id, parse_whole
from app.core.money import parse_amount, parse_number
from app.core.wording import amount_typed, number, number_format, number_typed

Member = TypeVar("Member", bound=enum.Enum)


def offers(pairs: Iterable[tuple[Any, str]]) -> list[SelectChoice]:
    """(value, words) as the choices of a select."""
    return [SelectChoice(value=str(value), label=words) for value, words in pairs]


class PickField(wtforms.Field):
    """What a combobox sends: an id, and beside it the text shown. `data` is the id, `text` the text as typed.

    Without script only the text comes: `find` (text -> id or None) is asked then.
    """

    def __init__(
        self, label: str = "", *, find: Callable[[str], UUID | None], required: str = "", **kwargs: Any
    ) -> None:
        super().__init__(label, **kwargs)
        self.find = find
        self.required = required
        self.text = ""

    def process(self, formdata: Any, data: Any = wtforms.utils.unset_value, extra_filters: Any = None) -> None:
        self.text = (formdata.get(f"{self.name}_text", "") if formdata else "").strip()[:500]
        super().process(formdata, data, extra_filters)

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = parse_id(valuelist[0]) if valuelist else None

    def pre_validate(self, form: Any) -> None:
        if self.data is None and self.text:
            self.data = self.find(self.text)
            if self.data is None:
                said = f"Nothing is called “{self.text[:60]}”. Pick one from the list."
                raise wtforms.validators.StopValidation(said)
        if self.data is None and self.required:
            raise wtforms.validators.StopValidation(self.required)


class IdSelectField(wtforms.SelectField):
    """A short closed list of rows; the empty choice is None."""

    def __init__(self, label: str = "", **kwargs: Any) -> None:
        super().__init__(label, coerce=lambda value: value if isinstance(value, UUID) else parse_id(value), **kwargs)

    def offer(self, rows: Iterable[tuple[UUID, str]], *, empty: str | None = None) -> None:
        self.choices = offers([*([("", empty)] if empty is not None else []), *rows])

    def pre_validate(self, form: Any) -> None:
        offered: Any = self.choices or ()
        if self.data not in {parse_id(choice.value) for choice in offered}:
            raise wtforms.validators.ValidationError("Choose one from the list.")


class CodeField(wtforms.SelectField):
    """A short closed list of codes; the empty choice is None."""

    def __init__(self, label: str = "", **kwargs: Any) -> None:
        super().__init__(label, coerce=lambda value: value or None, **kwargs)

    def offer(self, rows: Iterable[tuple[str, str]], *, empty: str | None = None) -> None:
        self.choices = offers([*([("", empty)] if empty is not None else []), *rows])

    def pre_validate(self, form: Any) -> None:
        offered: Any = self.choices or ()
        if (self.data or "") not in {choice.value for choice in offered}:
            raise wtforms.validators.ValidationError("Choose one from the list.")


class EnumField(wtforms.SelectField):
    """One of an enum's members, shown in words; with `empty` also none of them, which is None."""

    def __init__(
        self, label: str, members: type[Member], words: dict[Member, str] | None = None, *, empty: str | None = None,
        **kwargs: Any,
    ) -> None:
        said = {member: str(member.value).replace("_", " ").capitalize() for member in members} | (words or {})
        none = [("", empty)] if empty is not None else []
        choices = offers([*none, *((member.value, said[member]) for member in members)])
        self.may_be_empty = empty is not None
        super().__init__(label, choices=choices, coerce=_coerce(members, self.may_be_empty), **kwargs)

    def call(self, member: enum.Enum, words: str) -> None:
        """Other words for a choice, as where it is called otherwise."""
        offered: list[Any] = list(self.choices or ())
        self.choices = [*offers((each.value, words if each.value == member.value else each.label) for each in offered)]

    def call_empty(self, words: str) -> None:
        """What choosing none of them means on this form."""
        rest: list[Any] = list(self.choices or ())[1:]
        self.choices = [*offers([("", words)]), *rest]

    def pre_validate(self, form: Any) -> None:
        if not isinstance(self.data, enum.Enum) and not (self.may_be_empty and self.data is None):
            raise wtforms.validators.ValidationError("Choose one from the list.")


def _coerce(members: type[Member], may_be_empty: bool = False) -> Callable[[Any], Any]:
    def coerce(value: Any) -> Any:
        if isinstance(value, members) or value is None:
            return value
        if may_be_empty and value == "":
            return None
        try:
            return members(value)
        except ValueError:
            return str(value)

    return coerce


class TypedField(wtforms.Field):
    """A line of text that is read as a value; what was typed stays when it cannot be read."""

    widget = wtforms.widgets.TextInput()

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else self.write(self.data)

    def process_formdata(self, valuelist: list[str]) -> None:
        text = valuelist[0].strip()[:500] if valuelist else ""
        self.data = None
        if text:
            self.data = self.read(text)

    def read(self, text: str) -> Any:
        raise NotImplementedError

    def write(self, value: Any) -> str:
        return str(value)


class AmountField(TypedField):
    """An amount as its reader writes it, in a currency that may itself stand in the form.

    `currency` is a code, or finds it in the form; so the amount is read only when every field of the form is there.
    """

    def __init__(
        self, label: str = "", *, currency: str | Callable[[Any], str | None], signed: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(label, **kwargs)
        self.currency = currency
        self.signed = signed

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = None

    def pre_validate(self, form: Any) -> None:
        text = str(self.raw_data[0]).strip()[:500] if self.raw_data else ""
        if not text:
            return
        code = self.currency if isinstance(self.currency, str) else self.currency(form)
        if not code:
            raise wtforms.validators.StopValidation("It is not said yet in which currency this is.")
        try:
            self.data = parse_amount(text, code, number_format(), signed=self.signed)
        except Refused as refusal:
            raise wtforms.validators.StopValidation(refusal.message) from refusal

    def write(self, value: Decimal) -> str:
        return amount_typed(value, self.currency if isinstance(self.currency, str) else "")


class DecimalField(TypedField):
    """A number that is no amount, as its reader writes it: a rate, a quantity. Between `least` and `most`."""

    def __init__(
        self, label: str = "", *, decimals: int, least: Decimal | int = 0, most: Decimal | int = 10**9,
        unit: str = "", **kwargs: Any,
    ) -> None:
        super().__init__(label, **kwargs)
        self.decimals, self.least, self.most, self.unit = decimals, least, most, unit

    def read(self, text: str) -> Decimal:
        try:
            found = parse_number(text, self.decimals, number_format(), unit=self.unit, signed=self.least < 0)
        except Refused as refusal:
            raise ValueError(refusal.message) from refusal
        if not self.least <= found <= self.most:
            raise ValueError(f"It lies between {number(self.least)} and {number(self.most)}.")
        return found

    def write(self, value: Decimal) -> str:
        return number_typed(value)


class PercentField(DecimalField):
    """A percentage, the sign beside it or not."""

    def __init__(self, label: str = "", *, most: Decimal | int = 100, **kwargs: Any) -> None:
        super().__init__(label, decimals=4, most=most, unit="%", **kwargs)


class DurationField(TypedField):
    """Hours and minutes as people write them."""

    def __init__(self, label: str = "", *, most: dt.timedelta = dt.timedelta(hours=24), **kwargs: Any) -> None:
        super().__init__(label, **kwargs)
        self.most = most

    def read(self, text: str) -> dt.timedelta:
        try:
            return parse_duration(text, most=self.most)
        except BadDuration as error:
            raise ValueError(str(error)) from error

    def write(self, value: dt.timedelta) -> str:
        return format_duration(value)


class NumberField(TypedField):
    """A whole number within bounds."""

    def __init__(self, label: str = "", *, least: int = 0, most: int = 1_000_000, **kwargs: Any) -> None:
        super().__init__(label, **kwargs)
        self.least, self.most = least, most

    def read(self, text: str) -> int:
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
            raise ValueError("Write a whole number.")
        if not self.least <= int(text) <= self.most:
            raise ValueError(f"It lies between {self.least} and {self.most}.")
        return int(text)


class VersionField(wtforms.HiddenField):
    """The version of the row that the form was opened on; None when it is missing or mangled."""

    @property
    def number(self) -> int | None:
        return parse_whole(self.data)
