"""`cxa demo` and `cxa generate`: a shop that is made up."""

from __future__ import annotations

import shutil
import sys
from datetime import date, datetime
from pathlib import Path

import click

from cxa_pipeline.cli.output import heading, progress, say
from cxa_pipeline.defs.home import open_home
from cxa_pipeline.errors import RunError
from cxa_pipeline.settings import load_settings

PRESETS = click.Choice(["sample", "demo", "large"])


@click.command()
def demo() -> None:
    """Make up a shop, run everything on it, and show what comes out.

    The shop lives in a home of its own, HOME/demo; nothing else is touched. Calling it again finds the work done.
    """
    from cxa_pipeline.cli.runs import report
    from cxa_pipeline.defs.launch import refresh
    from cxa_pipeline.pipeline.status import summarize

    settings = load_settings()
    shop = load_settings(home=settings.home / "demo", timezone=settings.timezone or "Europe/Berlin", settle_seconds=0)
    home = open_home(shop)
    landing = home.landing / "native"
    if not any(landing.glob("*")):
        say(f"making up a shop in {landing}")
        _write_shop("demo", landing, home.folder / "truth.json", None, dirt=0.002)
    with progress("working"):
        result = refresh(home)
    code = report(result)
    for section in summarize(home):
        heading(section.title)
        for line in section.lines:
            say(f"  {line}")
    say(f"\nThis shop lives in {shop.home}; look at it with: export CXA_HOME={shop.home}")
    sys.exit(code)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--preset", type=PRESETS, default="demo", show_default=True, help="Size of the shop.")
@click.option("--seed", type=int, help="Another seed makes another shop; the same one the same files.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day; a later one only adds rows.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Write only what is new from this day on.")
@click.option("--dirt", type=click.FloatRange(0, 0.2), help="Share of rows planted to be rejected, doubled or late.")
@click.option("--truth", type=click.Path(path_type=Path, dir_okay=False), help="Where to write what was planted.")
def generate(
    directory: Path | None,
    preset: str,
    seed: int | None,
    until: datetime | None,
    since: datetime | None,
    dirt: float | None,
    truth: Path | None,
) -> None:
    """Write the files of a made-up shop into DIRECTORY, by default into landing/native.

    The truth behind them (rates, effects, affinities, planted dirt) is written beside, as JSON.

    \b
    Examples:  cxa generate --preset sample /tmp/shop --dirt 0.01
               cxa generate --until 2025-07-01 --since 2025-07-01
    """
    home = open_home()
    target = directory or home.landing / "native"
    if not since and target.is_dir() and any(target.iterdir()):
        raise RunError("The folder is not empty", where=str(target), advice="name another DIRECTORY, or empty this one")
    changes = {"seed": seed, "end": until.date() if until else None, "dirt": dirt}
    planted = truth or (target.parent if directory else home.folder) / "truth.json"
    _write_shop(preset, target, planted, since.date() if since else None, **changes)
    files = sorted(path for path in target.iterdir() if path.is_file())
    size = sum(path.stat().st_size for path in files)
    say(f"{len(files)} files with {size / 1e6:,.1f} MB in {target}; what was planted: {planted}")


def _write_shop(preset: str, target: Path, truth_path: Path, since: date | None, **changes: object) -> None:
    from cxa_pipeline.synthetic import ShopConfig, generate

    config = ShopConfig.preset(preset, **{name: value for name, value in changes.items() if value is not None})
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    truth = generate(config, part, since)
    truth.write(truth_path)
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(part.iterdir()):
        path.rename(target / path.name)
    shutil.rmtree(part)
