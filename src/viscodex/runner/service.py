"""A service that answers: where it is, what it allows and costs; and where its key is found, never the key."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from viscodex.runner.budget import Budget, Prices
from viscodex.runner.rate import Quota


class Terms(BaseModel):
    """How to treat an endpoint: its key, patience, limits and prices."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_variable: str = Field(default="OPENAI_API_KEY", description="The environment variable that holds the API key.")
    timeout_s: float = Field(default=600.0, gt=0, description="For one call, from first byte to last.")
    tries: int = Field(default=6, ge=1, description="For a call that meets server errors, hangs or torn replies.")
    patience_s: float = Field(default=1800.0, ge=0, description="For a call that is told to wait (429), in all.")
    quota: Quota = Quota()
    prices: Prices = Prices()
    budget: Budget = Budget()


class Service(Terms):
    """An OpenAI-compatible endpoint and how to treat it."""

    url: str = Field(description="The base address, with its version: http://127.0.0.1:8000/v1.")
    model: str = Field(description="The model's name there.")

    @field_validator("url")
    @classmethod
    def _holds_no_secret(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an http(s) address, such as http://127.0.0.1:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("no password or query in the address: it is written into results; use key_variable")
        return url.rstrip("/")

    def key(self) -> str:
        """The API key, from the environment; services of one's own rarely ask for one."""
        return os.environ.get(self.key_variable, "").strip()
