"""`viscodex serve`: models behind an OpenAI-compatible URL, and a page to try them in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from viscodex.core import console
from viscodex.core.errors import UsageError, VisCodexError

if TYPE_CHECKING:
    from viscodex.serve.limits import Limits
    from viscodex.serve.models import Models

KEYS = "VISCODEX_API_KEYS"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    models: list[Path] = typer.Argument(None, metavar="MODEL", help="Checkpoint folders; several can be compared."),
    endpoint: list[str] = typer.Option([], metavar="NAME=URL", help="A model of that name on another server."),
    engine: str = typer.Option("", help="vllm: serve folders with vLLM (--set vllm.program=PATH), watched by us."),
    host: str = typer.Option("127.0.0.1", help="Where to listen; other addresses are open to others."),
    port: int = typer.Option(8000, min=0, max=65535, help="0 is any free one."),
    playground: bool = typer.Option(True, help="A page at / to try the models in; it runs answers in the sandbox."),
    alias: list[str] = typer.Option([], metavar="NAME", help='Another name of the first model; "*" is any.'),
    allow_host: list[str] = typer.Option([], metavar="NAME", help="Another name in requests' Host header."),
    no_key: bool = typer.Option(False, "--no-key", help="Let others in without an API key."),
    batch_size: int = typer.Option(8, min=1, help="Answers written together."),
    max_image_pixels: int = typer.Option(None, min=1, help="Scale larger pictures down to this area (Qwen families)."),
    device: str = typer.Option("", help="cpu or cuda; unset, cuda if there is one."),
    settings: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="A limit (--limits lists them), or a key of vllm. as in recipes of eval."
    ),
    limits: bool = typer.Option(False, "--limits", help="List the limits with their values, and serve nothing."),
) -> None:
    """Serve models over HTTP, as OpenAI's clients ask: /v1/chat/completions, /v1/files, /v1/models, /health, /metrics.

    API keys are read from VISCODEX_API_KEYS, with commas between them. Without keys only this machine is let in.
    """
    from viscodex.core.recipe import parse_set
    from viscodex.serve.limits import chosen, described

    chosen_limits, serving = chosen(parse_set(settings))
    if limits:
        console.table("", ("limit", "value", "meaning"), described(chosen_limits), right=[1])
        return
    if engine not in ("", "vllm"):
        raise UsageError(f"no engine {engine}", hint="--engine vllm, or none: in this process")
    if host not in LOOPBACK and not (_keys() or no_key):
        raise UsageError(f"others can reach {host}, and there is no API key", hint=f"export {KEYS}=…, or --no-key")
    _need_packages()
    from viscodex.serve.models import Models

    wanted = Models(
        folders=models or (),
        endpoints=endpoint,
        engine="vllm" if engine else "",
        serving=serving,
        batch_size=batch_size,
        max_pixels=max_image_pixels,
        device=device,
    )
    listen_and_serve(wanted, chosen_limits, host, port, alias, allow_host, no_key=no_key, plays=playground)


def listen_and_serve(
    models: Models,
    limits: Limits,
    host: str,
    port: int,
    aliases: list[str] = [],  # noqa: B006  # never changed
    hosts: list[str] = [],  # noqa: B006
    *,
    no_key: bool = False,
    plays: bool = True,
) -> None:
    """Serve until a signal comes; the addresses go to stdout when requests are taken."""
    _need_packages()
    from viscodex.serve.api import create_app
    from viscodex.serve.desk import Access
    from viscodex.serve.door import LOCAL
    from viscodex.serve.metrics import Metrics
    from viscodex.serve.models import opened
    from viscodex.serve.server import listen, run

    names, keys, metrics = models.names(), _keys(), Metrics()
    place = listen(host, port)
    with opened(models, metrics) as engines:
        access = Access(keys, () if keys or no_key else (*LOCAL, *(name.lower() for name in hosts)))
        app = create_app(engines, metrics, access=access, limits=limits, aliases=aliases, plays=plays)
        url = f"http://{f'[{host}]' if ':' in host else host}:{place.getsockname()[1]}"

        def ready() -> None:
            console.result(f"{', '.join(names)} at {url}/v1")
            if plays:
                console.result(f"playground at {url}/")

        run(app, engines, limits, place, ready)
    console.say("stopped")


def _keys() -> list[str]:
    return [key.strip() for key in os.environ.get(KEYS, "").split(",") if key.strip()]


def _need_packages() -> None:
    try:
        import viscodex.serve.server  # noqa: F401
    except ImportError as error:
        raise VisCodexError(f"{error.name} is not installed", hint="pip install 'viscodex[serve]'") from error
