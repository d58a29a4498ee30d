"""Workbooks (.xlsx) made by hand, cell by cell."""

import io
import zipfile

OFFICE = "http://schemas.openxmlformats.org"
MAIN = f"{OFFICE}/spreadsheetml/2006/main"
SHEET = f"<worksheet xmlns='{MAIN}'>{{}}<sheetData>{{}}</sheetData></worksheet>"


def packed(members):
    """A zip file of name -> content."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def workbook(**sheets):
    """An .xlsx file of name -> XML of its sheet."""
    kind = f"{OFFICE}/officeDocument/2006/relationships"
    listed = enumerate(sheets, 1)
    parts = [(f"<sheet name='{n}' sheetId='{i}' r:id='r{i}'/>", i) for i, n in listed]
    targets = "".join(
        f"<Relationship Id='r{i}' Type='{kind}/worksheet' Target='worksheets/sheet{i}.xml'/>"
        for _, i in parts
    )
    related = f"<Relationships xmlns='{OFFICE}/package/2006/relationships'>{{}}</Relationships>"
    book = f"<Relationship Id='r1' Type='{kind}/officeDocument' Target='xl/workbook.xml'/>"
    return packed(
        {
            "[Content_Types].xml": f"<Types xmlns='{OFFICE}/package/2006/content-types'/>",
            "_rels/.rels": related.format(book),
            "xl/_rels/workbook.xml.rels": related.format(targets),
            "xl/workbook.xml": f"<workbook xmlns='{MAIN}' "
            f"xmlns:r='{kind}'><sheets>{''.join(part for part, _ in parts)}</sheets></workbook>",
            "xl/styles.xml": f"<styleSheet xmlns='{MAIN}'><cellXfs>"
            "<xf numFmtId='0'/><xf numFmtId='14'/></cellXfs></styleSheet>",
        }
        | {f"xl/worksheets/sheet{i}.xml": s for i, s in enumerate(sheets.values(), 1)}
    )


def sheet(*rows, before=""):
    """XML of a sheet; a cell is a number, a text, or the XML that follows the opened tag."""
    lines = []
    for i, row in enumerate(rows, 1):
        cells = []
        for letter, value in zip("ABCDEFG", row, strict=False):
            text = f" t='inlineStr'><is><t>{value}</t></is></c>"
            text = text if isinstance(value, str) else f"><v>{value}</v></c>"
            xml = value if str(value).startswith((" s", "><f")) else text
            cells.append(f"<c r='{letter}{i}'{xml}" if value is not None else "")
        lines.append(f"<row r='{i}'>{''.join(cells)}</row>")
    return SHEET.format(before, "".join(lines))
