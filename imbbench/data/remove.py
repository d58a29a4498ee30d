"""Taking a data set out of the study: its entry, its files and what the lock files hold of it."""

import re
import shutil
from pathlib import Path

from ruamel.yaml import YAML

from imbbench.config import GROUPS, WIDE, nearest, read_study, read_yaml
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root


def remove_dataset(name, params=None, yes=False):
    """Take a data set's entry, folders and lock entries away; all else stays byte for byte.

    The file it was added from stays, but for a copy below ``data/local``. Aggregates of the study
    (its notebook, its tables) are made anew by the next ``dvc repro``.

    Parameters
    ----------
    name : str
    params : path or None
        ``params.yaml`` of the project, by default the nearest upwards; its folder is the root.
    yes : bool
        Without it, what would go is printed and nothing changed.

    Returns
    -------
    list of str
        What goes: the entry, files and folders, lock entries.

    Raises
    ------
    StudyError
        If there is no such data set, or the rest of a file would not stay as it is.
    """
    params = Path(params or root() / "params.yaml")
    folder = params.resolve().parent
    study = read_study(params)
    group = next((g for g in GROUPS if name in (study.get(g) or {})), None)
    if not group:
        known = [each for g in GROUPS for each in study.get(g) or {}]
        raise StudyError(f"params.yaml has no data set '{name}'.{nearest(name, known)}")
    entry = study[group][name]
    file = params if group in read_yaml(params) else folder / WIDE
    texts = {file: _without(file.read_text("utf-8"), group, [name])}
    said = [f"the entry {group}.{name} of {file.name}"]
    for lock in (folder / place / "dvc.lock" for place in ("", "web", "wide")):
        if not lock.is_file():
            continue
        text = lock.read_text("utf-8")
        stages = YAML(typ="safe").load(text).get("stages") or {}
        own = [s for s in stages if re.fullmatch(rf"[a-z_]+@{name}(-.+)?", s)]
        if own:
            texts[lock] = _without(text, "stages", own)
            said.append(f"{len(own)} stages of {lock.relative_to(folder).as_posix()}")
    paths = [folder / "data" / kind / name for kind in ("raw", "prepared", "predictions")]
    paths += sorted((folder / "data/cache/cells").glob(f"{name}-*.jsonl"))
    kinds = ("runs", "curves", "timings", "rendered")
    places = ("results", "results/web", "results/wide")
    paths += [folder / place / kind / name for place in places for kind in kinds]
    local = entry.get("source", {}).get("path", "")
    shared = [e for g in GROUPS for n, e in (study.get(g) or {}).items() if n != name]
    if local.startswith("data/local/") and local not in [e["source"].get("path") for e in shared]:
        paths.append(folder / local)
    paths = [path for path in paths if path.exists()]
    said += [path.relative_to(folder).as_posix() for path in paths]
    if yes:
        for path, text in texts.items():
            write_whole(path, text)
        for path in paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return said


def _without(text, group, names):
    """A YAML text without some keys of one of its mappings; the other lines stay as they are."""
    lines = text.splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if line.startswith(f"{group}:")), 0)
    depths = [len(line) - len(line.lstrip(" ")) for line in lines]
    blank = [not line.strip() for line in lines]
    inner = next((depths[i] for i in range(start + 1, len(lines)) if not blank[i]), 0)
    kept, at = [], start
    kept += lines[:start]
    while at < len(lines):
        key = re.match(r"""["']?([^\s"']+)["']?:""", lines[at].lstrip(" "))
        if at == start or depths[at] != inner or not key or key[1] not in names:
            kept.append(lines[at])
            at += 1
            continue
        end = at + 1
        while end < len(lines) and (blank[end] or depths[end] > inner):
            end += 1
        if end < len(lines):  # the blank lines behind it set the next entry apart
            while blank[end - 1]:
                end -= 1
        if kept[-1:] and not kept[-1].strip():  # as those before it do
            while end < len(lines) and blank[end]:
                end += 1
            while end == len(lines) and not kept[-1].strip():
                kept.pop()
        at = end
    result = "".join(kept)
    safe = YAML(typ="safe")
    left, found = safe.load(text), safe.load(result)
    for name in names:
        del left[group][name]
    if (found.get(group) or {}) != left[group] or found | {group: 0} != left | {group: 0}:
        raise StudyError(f"{group}.{names[0]} cannot be taken out safely; do it by hand")
    return result
