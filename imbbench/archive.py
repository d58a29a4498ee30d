"""Pack the study for a data repository."""

import hashlib
import zipfile
from pathlib import Path

from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root

# What names the study and says how it was made; those that are there are taken.
ABOUT = [
    *("README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md", "params.yaml", "requirements.lock"),
    *("environment.yml", "dvc.yaml", "dvc.lock", "web/dvc.yaml", "web/dvc.lock"),
    *("wide/study.yaml", "wide/dvc.yaml", "wide/dvc.lock"),
]
FOLDERS = ["results", "data/predictions"]
PACKED = {".parquet"}  # compressed already
EPOCH = (1980, 1, 1, 0, 0, 0)  # no file's date: the same study gives the same bytes


def archive(target):
    """Write a zip file of tables, rendered notebooks, kept probabilities, lock and settings.

    Parameters
    ----------
    target : path-like
        Of the file to write; it is replaced. ``SHA256SUMS`` in it lists every file.

    Returns
    -------
    dict of str to (int, int)
        Files and bytes by the folder that they come from, before they are packed; ``""`` is the
        uppermost.

    Raises
    ------
    StudyError
        If there are no results, or ``target`` lies among what is packed.
    """
    folder, target = root(), Path(target).absolute()
    if not (folder / "results").is_dir():
        raise StudyError("There are no results to pack: run `dvc repro` first.")
    if any(target.is_relative_to(folder / name) for name in FOLDERS):
        raise StudyError(f"{target} lies in a folder that is packed: choose another place.")
    files = [folder / name for name in ABOUT if (folder / name).is_file()]
    for name in FOLDERS:
        files += sorted(p for p in (folder / name).rglob("*") if p.is_file() and p.name[0] != ".")
    sizes, sums = {}, []

    def write(part):
        with zipfile.ZipFile(part, "w") as packed:
            for path in files:
                name, content = path.relative_to(folder).as_posix(), path.read_bytes()
                sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
                place = next((f for f in FOLDERS if name.startswith(f"{f}/")), "")
                count, total = sizes.get(place, (0, 0))
                sizes[place] = count + 1, total + len(content)
                _add(packed, name, content)
            _add(packed, "SHA256SUMS", "".join(sums).encode())

    write_whole(target, write)
    return sizes


def _add(packed, name, content):
    info = zipfile.ZipInfo(name, EPOCH)
    stored = Path(name).suffix in PACKED
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    packed.writestr(info, content)
