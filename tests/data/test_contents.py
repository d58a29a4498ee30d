import bz2
import codecs
import gzip
import io
import lzma
import pickle
import zipfile

import pytest

from imbbench.data import contents
from imbbench.data.contents import decoded, unpacked
from imbbench.errors import StudyError

TEXT = b"a,y\n1,p\n2,q\n"


@pytest.fixture
def file(tmp_path):
    def write(content, name="a.txt"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def zipped(**members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", "")
        for name, member in members.items():
            archive.writestr(f"folder/{name}", member)
    return content.getvalue()


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
PACKERS |= {"zip": lambda content: zipped(a=content)}


@pytest.mark.parametrize("packer", PACKERS)
def test_one_compressed_file_is_unpacked_whatever_its_name(packer, file):
    assert unpacked(file(PACKERS[packer](TEXT))) == TEXT
    assert decoded(file(PACKERS[packer](TEXT.replace(b"\n", b"\r\n")))) == TEXT.decode()


@pytest.mark.parametrize("packer", PACKERS)
def test_what_is_damaged_is_one_message(packer, file):
    whole = PACKERS[packer](TEXT * 50)
    for cut in range(12, len(whole) - 1, 7):
        with pytest.raises(StudyError, match=r"a\.txt cannot be unpacked \(.*damaged"):
            unpacked(file(whole[:cut]))


@pytest.mark.parametrize("packer", PACKERS)
def test_what_unpacks_to_more_than_is_read_is_refused(packer, file, monkeypatch):
    monkeypatch.setattr(contents, "UNPACKED", 1000)
    assert len(unpacked(file(PACKERS[packer](b"1" * 1000)))) == 1000
    bomb = PACKERS[packer](b"1" * 50_000_000)
    with pytest.raises(StudyError, match="more than 1000 bytes when unpacked"):
        unpacked(file(bomb))


def test_an_encrypted_zip_is_refused(file):
    content = bytearray(zipped(a=TEXT))
    for mark, place in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        content[content.rindex(mark) + place] |= 1
    with pytest.raises(StudyError, match=r"cannot be unpacked \(.*password.*locked"):
        unpacked(file(bytes(content)))


def test_a_zip_of_several_files_is_refused_with_their_names(file):
    with pytest.raises(StudyError, match=r"2 files \(folder/a, folder/b\), not one; unpack it"):
        unpacked(file(zipped(a=TEXT, b=TEXT)))
    with pytest.raises(StudyError, match="0 files"):
        unpacked(file(zipped()))


def test_compressed_twice_is_refused(file):
    with pytest.raises(StudyError, match="compressed twice"):
        unpacked(file(gzip.compress(bz2.compress(TEXT))))


RDS = b"X\n\0\0\0\x03\0\4\1\0\0\3\5\0"
REFUSED = {
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS.*git lfs pull"),
    "page": (b"\n<!DOCTYPE HTML>\n<title>a,b</title>", "a web page, .*download the file itself"),
    "page with mark": (b"\xef\xbb\xbf <html lang='en'>", "a web page"),
    "rda": (gzip.compress(b"RDX3\n" + RDS), r"R \(\.rda\); write its table in R with write\.csv"),
    "rds": (gzip.compress(RDS), r"R \(\.rds\); write its table in R with write\.csv"),
    "rds in letters": (b"A\n3\n262402\n", r"R \(\.rds\)"),
    "npz": (zipped(**{"arr_0.npy": b""}), r"\.npz.*DataFrame\.to_parquet"),
    "npy": (b"\x93NUMPY\1\0", "NumPy; write its table with DataFrame.to_parquet"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "HDF5"),
    "SQLite": (b"SQLite format 3\0", "SQLite database; export its table as CSV or Parquet"),
    "SPSS": (b"$FL2@(#) SPSS", r"SPSS \(\.sav\); export"),
    "Stata": (b"<stata_dta><header>", r"Stata \(\.dta\); export"),
    "old Stata": (b"s\1\1\0", r"Stata \(\.dta\); export"),
    "PDF": (b"%PDF-1.7", "PDF"),
    "tar": (b"a".ljust(257, b"\0") + b"ustar\0", "tar archive; unpack it"),
    **{f"pickle {i}": (pickle.dumps([object()], i), "a pickle.* run code") for i in range(2, 6)},
    "compressed pickle": (lzma.compress(pickle.dumps([1])), "a pickle.* run code"),
    "old pickle": (pickle.dumps({"a": 1}, 0), "a pickle.* run code"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_known_and_not_read_is_refused_with_a_way_on(case, file):
    content, problem = REFUSED[case]
    with pytest.raises(StudyError, match=f"^(the file|a.txt) is .*{problem}"):
        unpacked(file(content))


@pytest.mark.parametrize(
    "text", ["fea1,y", "RDX,y", "A\n3\n4", "html,y", "c\nbuiltins", "BZhang,y"]
)
def test_texts_that_begin_like_such_files_are_texts(text, file):
    assert decoded(file(text.encode())) == text


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"PAR1....PAR1", "parquet"), (b"\xd0\xcf\x11\xe0", "excel"), (b"\0\0\x08\3\0\0", "idx")],
)
def test_binary_formats_are_named_where_text_is_expected(content, kind, file):
    with pytest.raises(StudyError, match=f"say `format: {kind}`"):
        decoded(file(content))


ENCODINGS = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1", "shift_jis"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", *ENCODINGS])
def test_encodings(encoding, file):
    text = "a,y\n1,p\n" if encoding == "shift_jis" else "ä,y\n1,p\n"
    assert decoded(file(text.encode(encoding)), encoding) == text


def test_byte_order_marks_are_no_text(file):
    for mark in (codecs.BOM_UTF8, codecs.BOM_UTF8 * 2):
        assert decoded(file(mark + TEXT)) == TEXT.decode()
    assert decoded(file(codecs.BOM_UTF16_LE + "a".encode("utf-16-le")), "utf-16-le") == "a"


@pytest.mark.parametrize(
    ("content", "encoding", "problem"),
    [
        ("ä,y".encode("utf-16"), "utf-8", "UTF-16 text; say --encoding utf-16 "),
        ("ä,y".encode("utf-32"), "utf-8", "UTF-32 text; say --encoding utf-32 "),
        ("ä,y\n1,p".encode("utf-16-le"), "utf-8", "UTF-16-LE text; say --encoding utf-16-le "),
        ("a,y\n1,p".encode("utf-16-be"), "utf-8", "NUL bytes; say --encoding utf-16-be "),
        ("ä,y".encode("cp1252"), "utf-8", r"UTF-8 text \(byte 0\); .*--encoding cp1252 "),
        (b"a,\x81", "cp1252", "not cp1252 text .*--encoding"),
        (b"a,\0y", "utf-8", "NUL bytes; save it"),
        (b" \n", "utf-8", "is empty"),
    ],
)
def test_other_bytes_are_refused_with_what_to_say(content, encoding, problem, file):
    with pytest.raises(StudyError, match=problem):
        decoded(file(content), encoding)


def test_lines_end_with_a_line_feed(file):
    """A carriage return alone stays, unless it ends every line."""
    assert decoded(file(b"a\r\n\rb\n")) == "a\n\rb\n"
    assert decoded(file(b"a,y\r1,p\r")) == "a,y\n1,p\n"
