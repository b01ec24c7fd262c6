"""Writes small BMP, TIFF, PNG, WebP and JPEG files with what Pillow makes of them to test/fixtures/formats.json:
python scripts/make-format-fixtures.py (Pillow 12.2 or 12.3; 13 reads the files alike, and resizes otherwise)."""

import base64
import hashlib
import io
import json
import pathlib
import struct
import zlib

import PIL
from PIL import Image, ImageOps

CASES = []


def text(data):
    return base64.b64encode(data).decode()


def add(name, data, transpose=False):
    """What Pillow gives: pixels, or that it fails. `exif` says that the turn was asked for."""
    case = {"name": name, "file": text(data), "exif": "apply" if transpose else "ignore"}
    try:
        image = Image.open(io.BytesIO(data))
        image = ImageOps.exif_transpose(image) if transpose else image
        image = image.convert("RGB")
        case |= {"size": image.size, "rgb": text(image.tobytes())}
    except (OSError, ValueError, SyntaxError):
        case["fails"] = True
    CASES.append(case)


# --- BMP ---


def bmp(width, height, bits, body, compression=0, palette=b"", masks=b"", header=40):
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(body), 0, 0, len(palette) // 4, 0)
    extra = masks.ljust(header - 40, b"\0") if header > 40 else masks
    offset = 14 + len(info) + len(extra) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + info + extra + palette + body


def add_bmps():
    colors = bytes(value for i in range(16) for value in (i * 16, 255 - i * 9, (i * 37) % 256, 0))
    gray = bytes(value for i in range(256) for value in (i, i, i, 0))
    many = bytes(value for i in range(256) for value in ((i * 7) % 256, (i * 11) % 256, 255 - i, 0))
    rle8 = {
        "runs": b"\x05\x01\0\0\x02\x03\x03\x04\0\0\x05\x09\0\x01",
        "written out": b"\0\x05\x01\x02\x03\x04\x05\0\0\0\0\x04\x06\x07\x08\x09\x01\x02\0\0\0\x03\x0a\x0b\x0c\0\x02\x01\0\x01",
        "a jump": b"\x02\x07\0\x02\x02\x01\x01\x08\0\0\x05\x02\0\x01",
        "short rows": b"\x02\x01\0\0\x01\x03\0\0\x05\x09\0\x01",
        "runs over the edge": b"\x09\x01\x03\x05\0\0\x09\x03\0\0\x09\x02\0\x01",
        "rows without their end": b"\x05\x01\x05\x02\x05\x03\0\x01",
        "an end too early": b"\x05\x01\0\0\0\x01",
        "cut": b"\x05\x01\0\0\x05",
        "a cut run": b"\x05\x01\0\0\x05\x01\0\0\0\x05\x01",
        "a jump out of the picture": b"\x05\x01\0\x02\x02\xff",
    }
    for name, body in rle8.items():
        add(f"BMP RLE8, {name}", bmp(5, 3, 8, body, 1, many))
    add("BMP RLE8, rows from the top", bmp(5, -3, 8, rle8["runs"], 1, many))
    add("BMP RLE8, gray", bmp(5, 3, 8, rle8["runs"], 1, gray))
    add("BMP RLE8, data at an odd position", bmp(5, 3, 8, rle8["written out"], 1, many[:-1], header=40))
    rle4 = {
        "runs": b"\x05\x12\0\0\x02\x34\x03\x56\0\0\x05\x78\0\x01",
        "written out, even": b"\0\x04\x12\x34\x01\x50\0\0\x05\x67\0\0\0\x04\xab\xcd\x01\xe0\0\x01",
        "a jump": b"\x02\x12\0\x02\x02\x01\x01\x30\0\0\x05\x45\0\x01",
    }
    for name, body in rle4.items():
        add(f"BMP RLE4, {name}", bmp(5, 3, 4, body, 2, colors))
    add("BMP RLE4, ramp of grays", bmp(5, 3, 4, rle4["runs"], 2, gray[:64]))
    add("BMP RLE8, black and white", bmp(5, 3, 8, b"\x05\x01\0\0\x05\0\0\0\x05\x01\0\x01", 1, b"\0\0\0\0\xff\xff\xff\0"))
    row = struct.pack("<7H", 0x0000, 0xFFFF, 0x7FFF, 0x1234, 0xF81F, 0x07E0, 0x03E0) + b"\0\0"
    other = struct.pack("<7H", 0x8001, 0x4210, 0x5555, 0xAAAA, 0x001F, 0x7C00, 0x0842) + b"\0\0"
    add("BMP of 16 bits", bmp(7, 2, 16, row + other))
    add("BMP of 16 bits, rows from the top", bmp(7, -2, 16, row + other))
    masks = lambda *values: struct.pack(f"<{len(values)}I", *values)
    add("BMP of 16 bits, masks of 5, 6 and 5", bmp(7, 2, 16, row + other, 3, masks=masks(0xF800, 0x7E0, 0x1F)))
    add("BMP of 16 bits, masks of 5, 5 and 5", bmp(7, 2, 16, row + other, 3, masks=masks(0x7C00, 0x3E0, 0x1F)))
    add("BMP of 16 bits, other masks", bmp(7, 2, 16, row + other, 3, masks=masks(0xF00, 0xF0, 0xF)))
    wide = bytes(range(1, 17))
    for values in [
        (0xFF0000, 0xFF00, 0xFF, 0x0),
        (0xFF000000, 0xFF0000, 0xFF00, 0x0),
        (0xFF000000, 0xFF00, 0xFF, 0x0),
        (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
        (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
        (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
        (0x0, 0x0, 0x0, 0x0),
        (0xFF, 0xFF00, 0xFF0000, 0x0),
        (0x3FF, 0xFFC00, 0x3FF00000, 0x0),
    ]:
        for header in (56, 124):
            add(f"BMP of 32 bits, masks {values}, header of {header}", bmp(2, 2, 32, wide, 3, masks=masks(*values), header=header))
        add(f"BMP of 32 bits, masks {values[:3]}, header of 52", bmp(2, 2, 32, wide, 3, masks=masks(*values[:3]), header=52))
        add(f"BMP of 32 bits, masks {values[:3]} after a header of 40", bmp(2, 2, 32, wide, 3, masks=masks(*values[:3])))
    add("BMP of 24 bits with masks", bmp(1, 2, 24, bytes(range(8)), 3, masks=masks(0xFF0000, 0xFF00, 0xFF)))
    for compression in (1, 2, 4, 5, 6):
        add(f"BMP of 24 bits, compression {compression}", bmp(1, 2, 24, bytes(range(8)), compression))


# --- TIFF ---

SIZES = {1: ("B", 1), 2: ("c", 1), 3: ("H", 2), 4: ("I", 4)}


def tiff(tags, parts, order="<"):
    """Strips or tiles, one directory: tags are (tag, type, values), `None` for the positions of the parts."""
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    directory_bytes = 2 + 12 * len(tags) + 4
    outside = b""
    entries = b""
    outside_at = 8 + directory_bytes
    outside_bytes = sum(n + n % 2 for _, kind, values in tags if (n := SIZES[kind][1] * len(values or parts)) > 4)
    positions = []
    at = outside_at + outside_bytes
    for part in parts:
        positions.append(at)
        at += len(part)
    for tag, kind, values in sorted(tags):
        values = positions if values is None else values
        code, _ = SIZES[kind]
        raw = bytes(values) if kind in (1, 2) else struct.pack(f"{order}{len(values)}{code}", *values)
        count = len(values)
        if len(raw) > 4:
            entries += struct.pack(order + "HHII", tag, kind, count, outside_at + len(outside))
            outside += raw + b"\0" * (len(raw) % 2)
        else:
            entries += struct.pack(order + "HHI", tag, kind, count) + raw.ljust(4, b"\0")
    assert len(outside) == outside_bytes
    return data + struct.pack(order + "H", len(tags)) + entries + b"\0" * 4 + outside + b"".join(parts)


def plain(width, height, body, photometric=2, bits=(8, 8, 8), more=(), compression=1, order="<"):
    tags = [
        (256, 3, [width]), (257, 3, [height]), (258, 3, list(bits)), (259, 3, [compression]), (262, 3, [photometric]),
        (273, 4, None), (277, 3, [len(bits)]), (278, 3, [height]), (279, 4, [len(body)]), *more,
    ]
    return tiff(tags, [body], order)


def add_tiffs():
    rgb = bytes((i * 37) % 256 for i in range(3 * 4 * 3))
    rgba = bytes(v for a in range(256) for v in (a // 2, min(a + 3, 255), (a * 5) % 256, a))
    for order in "<>":
        add(f"TIFF multiplied by alpha {order}", plain(16, 16, rgba, bits=(8,) * 4, more=[(338, 3, [1])], order=order))
    add("TIFF with alpha", plain(16, 16, rgba, bits=(8,) * 4, more=[(338, 3, [2])]))
    add("TIFF multiplied by alpha, deflated", plain(16, 16, zlib.compress(rgba), bits=(8,) * 4, more=[(338, 3, [1])], compression=8))
    add("TIFF gray multiplied by alpha", plain(8, 8, rgba[:128], 1, bits=(8, 8), more=[(338, 3, [1])]))
    for orientation in range(1, 9):
        add(f"TIFF, orientation {orientation}", plain(4, 3, rgb, more=[(274, 3, [orientation])]))
    add("TIFF, orientation as a byte", plain(4, 3, rgb, more=[(274, 1, [6])]))
    add("TIFF, orientation as a long", plain(4, 3, rgb, more=[(274, 4, [6])], order=">"))
    add("TIFF, orientation 9", plain(4, 3, rgb, more=[(274, 3, [9])]))
    add("TIFF, orientation in XMP", plain(4, 3, rgb, more=[(700, 1, list(b'<x tiff:Orientation="6"/>'))]))
    add("TIFF, deflated, orientation as a byte", plain(4, 3, zlib.compress(rgb), more=[(274, 1, [6])], compression=8))
    index = bytes(range(12))
    add("TIFF, palette", plain(4, 3, index, 3, (8,), [(320, 3, [(i * 251) % 65536 for i in range(768)])]))
    add("TIFF, palette of 8-bit values", plain(4, 3, index, 3, (8,), [(320, 3, [(i * 7) % 256 for i in range(768)])]))
    tags = [(256, 3, [16]), (257, 3, [16]), (258, 3, [8]), (259, 3, [1]), (262, 3, [1]), (277, 3, [1]), (322, 3, [16]), (323, 3, [16]), (324, 4, None)]
    tiles = [bytes(range(256)), bytes(range(255, -1, -1))]
    add("TIFF, one tile", tiff([*tags, (325, 4, [256])], tiles[:1]))
    add("TIFF, surplus tiles", tiff([*tags, (325, 4, [256, 256])], tiles))
    strips = [(256, 3, [4]), (257, 3, [3]), (258, 3, [8, 8, 8]), (259, 3, [1]), (262, 3, [2]), (273, 4, None), (277, 3, [3]), (278, 3, [3])]
    add("TIFF, surplus strips", tiff([*strips, (279, 4, [36, 36])], [rgb, rgb[::-1]]))
    # Unknown tags, GeoTIFF's, and ones of a wrong type: nothing of the picture.
    add("TIFF, GeoTIFF tags", plain(4, 3, zlib.compress(rgb), compression=8, more=[(33550, 4, [1, 2, 3]), (34735, 3, [1, 1, 0, 0]), (42112, 2, list(b"<a/>\0")), (65000, 3, [1])]))
    add("TIFF, metadata of wrong types", plain(4, 3, zlib.compress(rgb), compression=8, more=[(282, 2, list(b"x\0\0\0")), (306, 3, [1]), (33723, 1, [1, 2, 3])]))
    for compression in (6, 34712, 34925, 12345):
        add(f"TIFF, compression {compression}", plain(4, 3, rgb, compression=compression))
    planar = [(256, 3, [16]), (257, 3, [16]), (258, 3, [8] * 3), (259, 3, [1]), (262, 3, [2]), (277, 3, [3]), (284, 3, [2]), (322, 3, [16]), (323, 3, [16]), (324, 4, None)]
    add("TIFF, planes of tiles", tiff([*planar, (325, 4, [256] * 3)], [*tiles, tiles[0]]))
    planes = [(256, 3, [4]), (257, 3, [3]), (258, 3, [8] * 3), (259, 3, [1]), (262, 3, [2]), (273, 4, None), (277, 3, [3]), (278, 3, [3]), (284, 3, [2])]
    add("TIFF, planes of strips", tiff([*planes, (279, 4, [12] * 3)], [rgb[:12], rgb[12:24], rgb[24:]]))


# --- orientation in PNG, WebP, JPEG; warnings of metadata in PNG ---


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*extra, after=b""):
    rows = b"".join(b"\0" + bytes((i * 29 + y * 83) % 256 for i in range(6)) for y in range(3))
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 3, 8, 2, 0, 0, 0)) + b"".join(extra)
        + png_chunk(b"IDAT", zlib.compress(rows)) + after + png_chunk(b"IEND", b"")
    )


def exif(orientation, kind=3, order="<"):
    head = b"II*\0" if order == "<" else b"MM\0*"
    value = struct.pack(order + "HH", orientation, 0) if kind == 3 else bytes([orientation, 0, 0, 0])
    return head + struct.pack(order + "IHHHI", 8, 1, 0x112, kind, 1) + value + b"\0" * 4


def xmp(orientation):
    return b'<x:xmpmeta><rdf tiff:Orientation="%d"/></x:xmpmeta>' % orientation


def raw_profile(orientation):
    body = b"Exif\0\0" + exif(orientation)
    return b"Raw profile type exif\0", b"\nexif\n%8d\n" % len(body) + body.hex().encode() + b"\n"


def add_orientations():
    keyword, profile = raw_profile(6)
    itxt = b"XML:com.adobe.xmp\0"
    for orientation in range(1, 9):
        add(f"PNG, EXIF orientation {orientation}", png(png_chunk(b"eXIf", exif(orientation))), True)
    add("PNG, EXIF orientation, big endian, after the data", png(after=png_chunk(b"eXIf", exif(6, order=">"))), True)
    add("PNG, EXIF orientation as a byte", png(png_chunk(b"eXIf", exif(6, kind=1))), True)
    add("PNG, raw profile", png(png_chunk(b"tEXt", keyword + profile)), True)
    add("PNG, packed raw profile", png(png_chunk(b"zTXt", keyword + b"\0" + zlib.compress(profile))), True)
    add("PNG, XMP", png(png_chunk(b"iTXt", itxt + b"\0\0\0\0" + xmp(8))), True)
    add("PNG, packed XMP", png(png_chunk(b"iTXt", itxt + b"\1\0\0\0" + zlib.compress(xmp(8)))), True)
    add("PNG, EXIF before XMP", png(png_chunk(b"iTXt", itxt + b"\0\0\0\0" + xmp(8)), png_chunk(b"eXIf", exif(3))), True)
    add("PNG, XMP ignored", png(png_chunk(b"iTXt", itxt + b"\0\0\0\0" + xmp(8))))
    picture = Image.frombytes("RGB", (8, 16), bytes((i * 7) % 256 for i in range(8 * 16 * 3)))
    for kind in ("JPEG", "WEBP"):
        for name, more in {"EXIF": {"exif": b"Exif\0\0" + exif(6)}, "XMP": {"xmp": xmp(5)}, "both": {"exif": b"Exif\0\0" + exif(6), "xmp": xmp(3)}}.items():
            out = io.BytesIO()
            picture.save(out, kind, lossless=True, **more)
            add(f"{kind}, orientation in {name}", out.getvalue(), True)
    add("PNG, wrong metadata", png(png_chunk(b"gAMA", b"\0\0\0\0"), png_chunk(b"cHRM", b"\xff" * 32), png_chunk(b"sRGB", b"\x09"), png_chunk(b"sBIT", b"\x09\x09\x09"), png_chunk(b"iCCP", b"p\0\0" + zlib.compress(b"no profile")), png_chunk(b"tIME", b"\0\0\x0d\x20\x18\x3c\x3d"), png_chunk(b"hIST", b"\0\1")))
    add("PNG, palette of a true-colour picture", png(png_chunk(b"PLTE", bytes(range(6)))))


# --- resize ---


def resizes():
    found = []
    for width, height, out, kind in [
        (3, 300, (10, 10), "bicubic"), (3, 301, (10, 10), "bicubic"), (3, 301, (10, 10), "bilinear"), (3, 301, (10, 10), "nearest"),
        (2, 201, (30, 7), "bicubic"), (20, 2001, (224, 224), "bicubic"), (2, 201, (4, 224), "bicubic"), (2, 201, (2, 10), "bicubic"),
        (2, 201, (5, 201), "bicubic"), (301, 3, (10, 10), "bicubic"), (50, 100, (10, 10), "bicubic"),
    ]:
        rgb = bytes((i * 7919) % 251 for i in range(width * height * 3))
        resized = Image.frombytes("RGB", (width, height), rgb).resize(out, Image.Resampling[kind.upper()])
        found.append({"size": [width, height], "out": out, "filter": kind, "sha256": hashlib.sha256(resized.tobytes()).hexdigest()})
    return found


add_bmps()
add_tiffs()
add_orientations()
path = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "formats.json"
made = {"madeBy": f"Pillow {PIL.__version__}", "files": CASES, "resizes": resizes()}
path.write_text("{\n" + ",\n".join(
    f'"{key}": ' + (json.dumps(value) if isinstance(value, str) else "[\n" + ",\n".join(map(json.dumps, value)) + "\n]")
    for key, value in made.items()
) + "\n}\n")
