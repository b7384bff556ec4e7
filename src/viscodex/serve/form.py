"""Forms as browsers and OpenAI's clients send files in (multipart/form-data), read in memory."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from python_multipart import create_form_parser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File

from viscodex.core.errors import did_you_mean
from viscodex.serve.faults import bad_request

KIND = "multipart/form-data"
FIELDS = 8
IN_MEMORY = {"MAX_MEMORY_FILE_SIZE": math.inf, "UPLOAD_ERROR_ON_BAD_CTE": True}
"""The whole form has a limit, and nothing of it belongs on a disk."""


@dataclass(frozen=True)
class Sent:
    """A file in a form."""

    filename: str
    data: bytes


@dataclass
class Form:
    """The fields of a form: texts, and files. ApiError 400: one is there twice, or there are too many."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, Sent] = field(default_factory=dict)

    def add_text(self, found: Field) -> None:
        self.texts[self._new(found.field_name)] = (found.value or b"").decode("utf-8", "replace")

    def add_file(self, found: File) -> None:
        found.file_object.seek(0)
        assert isinstance(found.file_object, io.BytesIO)
        sent = Sent((found.file_name or b"").decode("utf-8", "replace"), found.file_object.getvalue())
        found.close()
        self.files[self._new(found.field_name)] = sent

    def _new(self, raw: bytes | None) -> str:
        name = (raw or b"").decode("utf-8", "replace")
        if name in self.texts or name in self.files:
            raise bad_request("the field is there twice", "invalid_value", name)
        if len(self.texts) + len(self.files) == FIELDS:
            raise bad_request(f"a form has at most {FIELDS} fields", "invalid_form")
        return name

    def only(self, known: Iterable[str]) -> None:
        """ApiError 400: there are fields of other names."""
        for name in (*self.texts, *self.files):
            if name not in known:
                raise bad_request(f"unknown parameter {name}; {did_you_mean(name, known)}", "unknown_parameter", name)

    def text(self, name: str) -> str:
        if name not in self.texts:
            raise bad_request(f"{name} is missing", "invalid_value", name)
        return self.texts[name]

    def file(self, name: str) -> Sent:
        if name not in self.files:
            problem = "is not sent as a file" if name in self.texts else "is missing"
            raise bad_request(f"{name} {problem}", "invalid_value", name)
        return self.files[name]


def read(content: bytes, content_type: str) -> Form:
    """A form from a request's bytes and its Content-Type. ApiError 400: it is none."""
    form = Form()
    try:
        headers = {"Content-Type": content_type.encode("latin-1")}
        parser = create_form_parser(headers, form.add_text, form.add_file, IN_MEMORY)
        try:
            parser.write(content)
            parser.finalize()
        finally:
            parser.parser = None  # a cycle: full collections of garbage are rare where a model is loaded
    except (FormParserError, ValueError, OverflowError) as error:
        raise bad_request(f"not a readable form: {error}", "invalid_form") from None
    return form
