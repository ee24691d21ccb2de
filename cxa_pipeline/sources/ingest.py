"""Ingest: from what lies in `landing/` to the rows that stand, each data set by local month.

Here: the order of the steps, and what callers get. Not here: the steps themselves (`discover`, `read`, `batch`,
`inforce`, `resolve`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cxa_pipeline.contracts import Catalog
from cxa_pipeline.engine.protocol import Engine, OutputColumn, Relation
from cxa_pipeline.lake import Lake, Landing, Parts
from cxa_pipeline.sources.batch import Limits
from cxa_pipeline.sources.books import FileAccount
from cxa_pipeline.sources.definition import DATASETS, Sources
from cxa_pipeline.sources.discover import Finding, discover
from cxa_pipeline.sources.home import HomeFacts, fix_home
from cxa_pipeline.sources.landed import LandedDataset, land_dataset
from cxa_pipeline.sources.reader import Reader
from cxa_pipeline.sources.rejects import COLUMNS as REJECTED_COLUMNS
from cxa_pipeline.sources.work import Work

Progress = Callable[[str, int, int], None]
"""Called with a data set, files read so far and files to read."""


@dataclass(frozen=True)
class IngestOptions:
    """How to ingest.

    Args:
        timezone: The shop's zone, if it is set; else fixed at the first ingest.
        currency: The shop's currency, likewise.
        memory: What reading may use before it spills.
        threads: Threads for reading.
        settle: Seconds for which a file must not have changed.
        limits: When a file is refused as a whole.
        force: Names (`source/name`) of `window` files that may empty a month.
    """

    timezone: str | None = None
    currency: str | None = None
    memory: str = "2GB"
    threads: int = 2
    settle: float = 2.0
    limits: Limits = field(default_factory=Limits)
    force: frozenset[str] = frozenset()


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did and what stands after it.

    Attributes:
        landed: Files that arrived since the last time.
        unsettled: Files that are still being written.
        findings: What a person should know about the landing folder and its files.
        ignored: Landed files that are of no layout of their source.
        datasets: The rows that stand, by data set.
        home: Zone and currency of the home.
        batches_read: Batches that had to be read.
        live: Results in the lake that this outcome needs.
    """

    landed: tuple[Landing, ...]
    unsettled: tuple[Path, ...]
    findings: tuple[Finding, ...]
    ignored: tuple[Landing, ...]
    datasets: Mapping[str, LandedDataset]
    home: HomeFacts
    batches_read: int
    live: frozenset[Parts]

    @property
    def files(self) -> list[FileAccount]:
        """The accounts of all files, by landing and data set."""
        accounts = [account for dataset in self.datasets.values() for account in dataset.files]
        return sorted(accounts, key=lambda a: (a.landing.number, DATASETS.index(a.dataset)))

    @property
    def refused(self) -> list[FileAccount]:
        """The files that are refused as a whole and have not been replaced since."""
        files = self.files
        latest = {(a.landing.source, a.landing.name): a.landing.number for a in files}
        return [
            a for a in files if a.status == "refused" and a.landing.number == latest[a.landing.source, a.landing.name]
        ]

    def rejected(self) -> Relation:
        """The rejected rows of all files in force or refused; columns as in `ops.rejected_rows`."""
        paths = sorted({path for dataset in self.datasets.values() for path in dataset.rejected})
        columns = tuple(OutputColumn(name, "bigint" if kind == "bigint" else "text") for name, kind in REJECTED_COLUMNS)
        return Relation(tuple(paths), columns=columns)


def ingest(
    lake: Lake,
    engine: Engine,
    sources: Sources,
    catalog: Catalog,
    landing: Path,
    now: datetime,
    options: IngestOptions | None = None,
    progress: Progress | None = None,
) -> IngestResult:
    """Land what is new, read what must be read, and decide which rows stand.

    Args:
        lake: The lake; the caller holds its lock.
        engine: Its version is part of what results are named by.
        sources: The sources.
        catalog: The contracts; those of kind landed are used.
        landing: The folder with one folder for each source.
        now: The time to record for new files, with a zone.
        options: Zone, currency, memory and limits.
        progress: Called while batches are read.

    Raises:
        ContractError: a mapping or a contract is wrong.
        LakeError: the lake cannot be written.
    """
    options = options or IngestOptions()
    found = discover(lake, landing, sources.definitions, now, options.settle)
    landings = lake.landings()
    ignored = _ignored(landings, sources)
    findings = [*found.findings, *_unread(ignored, sources)]
    home, warnings = fix_home(lake, landings, sources, options.timezone, options.currency)
    temporary = lake.root / f".reading-{now.timestamp():.0f}"
    reader = Reader(options.memory, options.threads, temporary)
    work = Work(lake, reader, engine.version, sources, catalog, home.timezone, options.limits, landings, progress)
    try:
        datasets = {name: land_dataset(work, name, options.force) for name in DATASETS}
        work.save_accounts()
    finally:
        reader.close()
        shutil.rmtree(temporary, ignore_errors=True)
    return IngestResult(
        landed=tuple(found.landed),
        unsettled=tuple(found.unsettled),
        findings=(*findings, *warnings, *work.findings),
        ignored=tuple(ignored),
        datasets=datasets,
        home=home,
        batches_read=work.batches_read,
        live=frozenset(parts for dataset in datasets.values() for parts in dataset.live),
    )


def _ignored(landings: Sequence[Landing], sources: Sources) -> list[Landing]:
    found = []
    for landing in landings:
        source = sources.definitions.get(landing.source)
        if source is None or source.kind_of(landing.name) is None:
            found.append(landing)
    return found


def _unread(landings: Sequence[Landing], sources: Sources) -> list[Finding]:
    what = "The file is of no layout that its source knows: it is not read"
    names = dict.fromkeys(f"{landing.source}/{landing.name}" for landing in landings)
    return [Finding(name, what, _layouts(sources, name)) for name in names]


def _layouts(sources: Sources, name: str) -> str:
    source = sources.definitions.get(name.split("/", 1)[0])
    if source is None:
        return "restore the source's folder under sql/sources"
    patterns: Collection[str] = [p for kind in source.files.values() for p in kind.patterns]
    return f"rename it to match one of {', '.join(patterns)}"
