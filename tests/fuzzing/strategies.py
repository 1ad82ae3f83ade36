"""Hypothesis strategies: valid inputs of the readers with some things made wrong."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from pydicom.datadict import tag_for_keyword

from .raw import Element, join, parse

Files = dict[str, bytes]
"""Contents by name."""
Bases = Callable[[], Mapping[str, Files]]
"""Valid inputs by what they are."""

NUMBERS = (
    "0 -0 1 -1 2 5 1e-300 1e300 -1e300 1e5 4096 65535 65536 -32768 2147483648 1e20 0.000001 "
    "99999999999999999999 nan inf -inf 1e 1.5.5 0x10 １２ 1,5 - ."
).split()
TEXTS = (
    "", " ", "\\", "\\\\\\\\\\", "0\\0", "0\\0\\0", "0\\0\\0\\0\\0\\0", "1\\0\\0\\0\\1\\0",
    "1\\0\\0\\0\\1\\nan", "1\\0\\0\\1\\0\\0", "0.5\\0.5", "-5\\5", "CT", "MR", "HU",
    "ORIGINAL\\PRIMARY\\LOCALIZER", "20200230", "99999999", "20200101120000", "245960.5", "999Y",
    "\x1b$B$$", "左侧额叶", "a" * 70000, "1\\" * 5000, "../../etc/passwd", "\x00\x00", "%s%n{0}",
)  # fmt: skip
UIDS = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.100", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.88.67", "1.2.3", "x", "",
)  # fmt: skip
TAGS = (
    "ImagePositionPatient ImageOrientationPatient PixelSpacing SliceThickness Rows Columns "
    "NumberOfFrames SamplesPerPixel BitsAllocated BitsStored HighBit PixelRepresentation "
    "PhotometricInterpretation PlanarConfiguration RescaleSlope RescaleIntercept RescaleType "
    "PixelPaddingValue PixelPaddingRangeLimit ImageType Modality SeriesInstanceUID SeriesNumber "
    "SeriesDescription InstanceNumber GantryDetectorTilt SOPClassUID SOPInstanceUID "
    "StudyInstanceUID PatientID PatientName PatientBirthDate PatientSex PatientAge StudyDate "
    "StudyTime SeriesDate SeriesTime AcquisitionDate AcquisitionTime AcquisitionDateTime "
    "ConvolutionKernel WindowCenter WindowWidth Manufacturer ManufacturerModelName "
    "SpecificCharacterSet TransferSyntaxUID MediaStorageSOPClassUID FileMetaInformationGroupLength "
    "PixelData SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence "
    "TimezoneOffsetFromUTC"
).split()
VRS = [b"DS", b"IS", b"US", b"SS", b"UL", b"FD", b"OW", b"OB", b"SQ", b"UN", b"LO", b"PN", b"UI",
       b"CS", b"DA", b"TM", b"AT", b"ZZ", b"\0\0"]  # fmt: skip


@st.composite
def series(draw: DrawFn, bases: Bases) -> Files:
    """A folder of one series in which elements, lengths, representations or bytes are wrong."""
    files = dict(bases()[draw(st.sampled_from(sorted(bases())))])
    for _ in range(draw(st.integers(1, 3))):
        change = draw(st.sampled_from([_set, _set, _set, _damage_element, _bytes]))(draw)
        names = sorted(files)
        every = draw(st.booleans())
        for name in (
            names if every else draw(st.sets(st.sampled_from(names), min_size=1, max_size=3))
        ):
            try:
                files[name] = change(files[name])
            except (struct.error, IndexError, ValueError):
                continue  # an earlier change left nothing that can be taken apart
    if draw(st.integers(0, 19)) == 0:
        files["extra.dcm"] = draw(st.binary(max_size=300))
    return files


@st.composite
def mutated(draw: DrawFn, bases: Bases) -> Files:
    """One text file with bytes, values or lines made wrong."""
    files = dict(bases()[draw(st.sampled_from(sorted(bases())))])
    name = draw(st.sampled_from(sorted(files)))
    content = files[name]
    for _ in range(draw(st.integers(1, 4))):
        content = draw(st.sampled_from([_token, _token, _lines, _bytes]))(draw)(content)
    return {**files, name: content}


@st.composite
def workbooks(draw: DrawFn, bases: Bases) -> Files:
    """An .xlsx with wrong parts inside a sound archive, or with a damaged archive."""
    files = dict(bases()[draw(st.sampled_from(sorted(bases())))])
    name = draw(st.sampled_from(sorted(files)))
    with zipfile.ZipFile(io.BytesIO(files[name])) as archive:
        parts = {n: archive.read(n) for n in archive.namelist()}
    for _ in range(draw(st.integers(1, 3))):
        part = draw(st.sampled_from(sorted(parts)))
        kind = draw(st.sampled_from(["cell", "cell", "token", "bytes", "drop"]))
        if kind == "drop":
            parts.pop(part)
            if not parts:
                break
        elif kind == "cell":
            old, new = draw(st.sampled_from(CELLS))
            parts = {
                n: c.replace(old, new, draw(st.sampled_from([1, -1]))) for n, c in parts.items()
            }
        else:
            parts[part] = draw(st.just(_token if kind == "token" else _bytes))(draw)(parts[part])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for n, content in parts.items():
            archive.writestr(n, content)
    content = packed.getvalue()
    if draw(st.integers(0, 4)) == 0:
        content = _bytes(draw)(content)
    return {**files, name: content}


CELLS = (
    (b'r="A2"', b'r="XFD1048576"'), (b'r="A2"', b'r="A1048576"'), (b'r="2"', b'r="1048576"'),
    (b'r="2"', b'r="99999999999"'), (b'r="2"', b'r="-3"'), (b'r="B2"', b'r="ZZZZZZ1"'),
    (b'r="B2"', b'r="??"'), (b"<v>", b"<v>1e308"), (b"<v>", b"<v>99999999999"), (b"<v>", b"<v>-"),
    (b't="s"', b't="d"'), (b't="s"', b't="n"'), (b't="s"', b't="e"'), (b't="inlineStr"', b't="s"'),
    (b't="inlineStr"', b't="d"'), (b't="n"', b't="d"'), (b"<row ", b'<row spans="1:99999999" '),
    (b"<sheetData>", b'<dimension ref="A1:XFD1048576"/><sheetData>'),
    (b"<sheetData>", b"<sheetData>" + b"<row/>" * 50_000),
    (b"<sheetData>", b'<sheetData><row r="1048570"><c r="XFD1048570"><v>1</v></c></row>'),
    (b"sheet1.xml", b"sheet9.xml"), (b"</worksheet>", b""), (b'numFmtId="', b'numFmtId="9'),
    (b"?>", b'?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'),
    (b"<is><t>", b"<is><t>" + b"A" * 300_000), (b"<t>", b"<t>&#0;"), (b"<t>", b"<t>_x0000_"),
)  # fmt: skip
"""What of a sheet is replaced by what."""
TOKENS = (
    b'"', b"'", b",", b"\n", b"\r", b"\0", b"\t", b"{", b"}", b"[", b"]", b"=", b"\\", b"null",
    b"true", b"NaN", b"Infinity", b"-1", b"1" * 5000, b"1e999", b"[" * 20_000, b'{"a":' * 20_000,
    b"\xff\xfe", b"\xef\xbb\xbf", b"\x80", b"\\ud800", b'"\\ud800"', b"(", b"(?P<", b"*", b"(a+)+$",
    b"2020-01-01", b"99999-99-99", b"%Q", b"%", b"0001-01-01", b"9999-12-31 23:59:59", b"1e400",
    "左".encode("gb18030"), "左".encode(), "\u2028".encode(), b"A" * 200_000,
    b"1979-05-27T07:32:00",
)  # fmt: skip


def _set(draw: DrawFn) -> Callable[[bytes], bytes]:
    """Gives an element another value, adding it where it is absent."""
    tag = tag_for_keyword(draw(st.sampled_from(TAGS))) or 0
    number = draw(
        st.sampled_from([0, 1, 2, 3, 7, 8, 12, 15, 16, 17, 32, 255, 256, 4096, 32768, 65535])
    )
    several = st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=6).map("\\".join)
    text = st.one_of(several, st.sampled_from(TEXTS), st.sampled_from(UIDS), st.text(max_size=20))
    value = draw(
        st.one_of(
            text.map(lambda t: t.encode("utf-8", "surrogatepass")),
            st.binary(max_size=40),
            st.just(struct.pack("<H", number)),
        )
    )

    def change(content: bytes) -> bytes:
        elements = parse(content)
        for i, element in enumerate(elements):
            if element.tag == tag:
                short = element.vr in (b"US", b"SS")
                elements[i] = element.with_value(struct.pack("<H", number) if short else value)
                return join(elements)
        at = sum(element.tag < tag for element in elements)
        new = Element(tag, b"UN", b"", 0).with_value(value)
        return join([*elements[:at], new, *elements[at:]])

    return change


def _damage_element(draw: DrawFn) -> Callable[[bytes], bytes]:
    """Removes, repeats, moves or mislabels an element."""
    where = draw(st.floats(0, 1, exclude_max=True))
    kind = draw(st.sampled_from(["remove", "repeat", "move", "vr", "length", "nest", "cut value"]))
    vr = draw(st.sampled_from(VRS))
    length = draw(
        st.sampled_from([0, 1, 3, 7, 255, 65535, 0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 10**6])
    )
    depth = draw(st.sampled_from([1, 30, 3000]))

    def change(content: bytes) -> bytes:
        elements = parse(content)
        i = int(where * len(elements))
        element = elements[i]
        if kind == "remove":
            del elements[i]
        elif kind == "repeat":
            elements[i:i] = [element] * 3
        elif kind == "move":
            elements.insert(0, elements.pop(i))
        elif kind == "vr":
            elements[i] = Element(element.tag, vr, element.value, element.length)
        elif kind == "length":
            elements[i] = Element(element.tag, element.vr, element.value, length)
        elif kind == "nest":
            item = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
            elements.insert(i, Element(0x00081140, b"SQ", item[12:] + item * depth, 0xFFFFFFFF))
        else:
            elements[i] = element.with_value(element.value[: len(element.value) // 2])
        return join(elements)

    return change


def _bytes(draw: DrawFn) -> Callable[[bytes], bytes]:
    """Cuts, overwrites, repeats or inserts bytes."""
    where, share = (draw(st.floats(0, 1, exclude_max=True)) for _ in range(2))
    kind = draw(st.sampled_from(["cut", "overwrite", "insert", "remove", "repeat"]))
    noise = draw(st.binary(min_size=1, max_size=16))

    def change(content: bytes) -> bytes:
        at = int(where * len(content))
        end = at + int(share * min(200, len(content) - at))
        head, tail = content[:at], content[at:]
        match kind:
            case "cut":
                return head
            case "overwrite":
                return head + noise + tail[len(noise) :]
            case "insert":
                return head + noise + tail
            case "remove":
                return head + content[end:]
        return content[:end] + tail

    return change


def _token(draw: DrawFn) -> Callable[[bytes], bytes]:
    """Puts a word that means something to a parser somewhere, or in the place of a value."""
    token = draw(st.sampled_from(TOKENS))
    where = draw(st.floats(0, 1, exclude_max=True))
    replace = draw(st.booleans())

    def change(content: bytes) -> bytes:
        at = int(where * len(content))
        end = at
        while replace and end < len(content) and content[end] not in b',"\n]}':
            end += 1
        return content[:at] + token + content[end:]

    return change


def _lines(draw: DrawFn) -> Callable[[bytes], bytes]:
    """Removes, repeats or swaps lines."""
    where = draw(st.floats(0, 1, exclude_max=True))
    kind = draw(st.sampled_from(["remove", "repeat", "swap", "many"]))

    def change(content: bytes) -> bytes:
        lines = content.split(b"\n")
        i = int(where * len(lines))
        if kind == "remove":
            del lines[i]
        elif kind == "swap":
            lines[0], lines[i] = lines[i], lines[0]
        else:
            lines[i:i] = [lines[i]] * (1 if kind == "repeat" else 500_000 // (len(lines[i]) + 250))
        return b"\n".join(lines)

    return change
