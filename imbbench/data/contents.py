"""Contents: the bytes of a raw file unpacked, known for what they are, and decoded to text."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib

from imbbench.errors import StudyError

UNPACKED = 2**30  # bytes: a file that unpacks to more is taken for a bomb
IN_R = "write its table in R with write.csv(table, 'table.csv', row.names = FALSE)"
IN_PANDAS = "write its table with DataFrame.to_parquet, or to_csv, where you trust it"
EXPORT = "export its table as CSV or Parquet"
# How files begin that hold no table that is read here, what they are, and the way on.
KNOWN = [
    (re.compile(start, re.S), is_what, way_on)
    for start, is_what, way_on in (
        (
            rb"version https://git-lfs",
            "a Git LFS pointer, not the data",
            "run `git lfs pull` in the repository it comes from, or download the file itself",
        ),
        (
            rb"(?i)(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)?<(?:!doctype html|html|head|body)\b",
            "a web page, not data",
            "open its address in a browser and download the file itself",
        ),
        (rb"RD[ABX][123]\n", "a file of R (.rda)", IN_R),
        (rb"[BX]\n\0\0\0[\x02\x03]|A\n[23]\n[12]\d{5}\n", "a file of R (.rds)", IN_R),
        (
            rb"\x80[\x02-\x05]|\((?:lp|dp)\d+\n|c(?:copy_reg|copyreg|__builtin__|builtins)\n",
            "a pickle, which may run code when it is opened and is not read",
            IN_PANDAS,
        ),
        (rb"\x93NUMPY", "a file of NumPy", IN_PANDAS),
        (rb"\x89HDF\r\n", "an HDF5 file", IN_PANDAS),
        (rb"SQLite format 3\0", "an SQLite database", EXPORT),
        (rb"\$FL[23]", "a file of SPSS (.sav)", EXPORT),
        (rb"<stata_dta>|[\x69-\x73][\x01\x02]\x01\0", "a file of Stata (.dta)", EXPORT),
        (rb"\0{12}\xc2\xea\x81\x60|HEADER RECORD\*", "a file of SAS", EXPORT),
        (rb"ARROW1\0\0", "a Feather file", "write it with DataFrame.to_parquet"),
        (rb"Obj\x01", "an Avro file", EXPORT),
        (rb"%PDF-", "a PDF file", EXPORT),
        (rb"\x89PNG|\xff\xd8\xff", "a single picture", "put pictures into a table or an idx file"),
        (rb"7z\xbc\xaf|Rar!\x1a|\x28\xb5\x2f\xfd", "packed in a way that is not read", "unpack it"),
        (rb".{257}ustar[\0 ]", "a tar archive", "unpack it and give the file that is meant"),
    )
]
# Those that another `format` reads.
BINARY = [
    (rb"PAR1", "parquet", "a Parquet file"),
    (rb"PK\x03\x04|\xd0\xcf\x11\xe0", "excel", "an Excel file"),
    (rb"\0\0\x08[\x01-\x04]\0", "idx", "an idx file"),
]


def unpacked(path):
    """The bytes of a file, compressed (gzip, bzip2, xz, a zip of one file) or not.

    Parameters
    ----------
    path : path

    Returns
    -------
    bytes
        At most :data:`UNPACKED`. Office files, which are zips too, are left as they are.

    Raises
    ------
    StudyError
        If it is damaged, too large, or known for something that is not read.
    """
    content = path.read_bytes()
    opener = _opener(content)
    try:
        if opener:
            with opener(io.BytesIO(content)) as stream:
                content = stream.read(UNPACKED + 1)
    except (OSError, EOFError, RuntimeError, ValueError, *DAMAGED) as error:
        raise StudyError(
            f"{path.name} cannot be unpacked ({error or type(error).__name__}); it is damaged or "
            "locked: download it again, or unpack it"
        ) from None
    if len(content) > UNPACKED:
        raise StudyError(
            f"{path.name} has more than {UNPACKED} bytes when unpacked, the most that is read; "
            "take a part of it"
        )
    if opener and _opener(content) not in (None, _open_zip):
        raise StudyError(f"{path.name} is compressed twice; unpack it once")
    for start, is_what, way_on in KNOWN:
        if start.match(content[:1024]):
            raise StudyError(f"{path.name} is {is_what}; {way_on}")
    return content


def what_is(content):
    """Words on bytes that are not the data one expects: ``; it is a web page, ...``, or ""."""
    for start, is_what, way_on in KNOWN:
        if start.match(content[:1024]):
            return f"; it is {is_what}: {way_on}"
    return ""


def _open_zip(stream):
    archive = zipfile.ZipFile(stream)
    files = [e.filename for e in archive.infolist() if not e.is_dir()]
    files = [name for name in files if not name.startswith("__MACOSX/")]
    if OFFICE & set(files):
        stream.seek(0)
        return stream
    if files and all(name.endswith(".npy") for name in files):
        raise StudyError(f"the file is an archive of NumPy (.npz); {IN_PANDAS}")
    if len(files) != 1:
        some = ", ".join(files[:5]) + (", …" if len(files) > 5 else "")
        raise StudyError(
            f"the zip file has {len(files)} files ({some}), not one; unpack it and give the file "
            "that is meant"
        )
    return archive.open(files[0])


DAMAGED = (zlib.error, lzma.LZMAError, zipfile.BadZipFile)
OFFICE = {"[Content_Types].xml", "mimetype"}
OPENERS = {
    rb"\x1f\x8b\x08": lambda stream: gzip.GzipFile(fileobj=stream),
    rb"BZh[1-9](?:1AY&SY|\x17rE8P)": bz2.BZ2File,
    rb"\xfd7zXZ\0": lzma.LZMAFile,
    rb"PK(?:\x03\x04|\x05\x06)": _open_zip,
}


def _opener(content):
    return next((found for start, found in OPENERS.items() if re.match(start, content)), None)


def decoded(path, encoding="utf-8"):
    """The text of a file, compressed or not, its lines ended by a line feed.

    Parameters
    ----------
    path : path
    encoding : str
        As of :class:`imbbench.data.datasets.Dataset`.

    Raises
    ------
    StudyError
        Where it is not such text; the message names what it is, as far as its bytes say.
    """
    content = unpacked(path)
    for start, kind, is_what in BINARY:
        if re.match(start, content):
            raise StudyError(
                f"{path.name} is {is_what}; say `format: {kind}` in params.yaml, or give it a "
                "name that says so"
            )
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    try:
        text = content.decode("utf-8-sig" if is_utf8 else encoding).removeprefix("\ufeff")
    except UnicodeError as error:
        marked = next((e for e, marks in MARKS.items() if content.startswith(marks)), None)
        if marked := marked or _utf16(content):
            is_what, way_on = f"{marked.upper()} text", f"say --encoding {marked}"
        elif is_utf8:
            is_what = f"not UTF-8 text (byte {getattr(error, 'start', 0)})"
            way_on = "if it is Western European text of Windows, say --encoding cp1252"
        else:
            is_what = f"not {encoding} text ({error})"
            way_on = "say which encoding it has with --encoding"
        raise StudyError(
            f"{path.name} is {is_what}; {way_on} (`encoding:` in params.yaml), or save it as UTF-8"
        ) from None
    if "\0" in text:
        marked = _utf16(content)
        way_on = f"say --encoding {marked} (`encoding:` in params.yaml), or " if marked else ""
        raise StudyError(f"{path.name} has NUL bytes; {way_on}save it as UTF-8 text")
    if not text.strip():
        raise StudyError(f"{path.name} is empty; it needs columns and rows")
    text = text.replace("\r\n", "\n")
    return text if "\n" in text else text.replace("\r", "\n")  # as old Macs ended lines


MARKS = {
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}


def _utf16(content):
    """The kind of UTF-16, where every second byte is a NUL, or None."""
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        others = content[first:1000:2]
        if others.count(0) > 0.8 * len(others):
            return encoding
    return None
