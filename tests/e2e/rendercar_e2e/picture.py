"""Pictures as QEMU's screendump gives them (PPM, by libvirt also PNG), PNG output for people, and comparison with a computed reference.

SPDX-License-Identifier: Apache-2.0
"""

import struct
import zlib


class Picture:
    """An RGB picture; `pixels` holds 3 bytes a pixel, rows from the top."""

    def __init__(self, width, height, pixels):
        if len(pixels) != width * height * 3:
            raise ValueError(f"{len(pixels)} bytes are not {width}x{height} RGB pixels")
        self.width, self.height, self.pixels = width, height, pixels

    @classmethod
    def from_ppm(cls, path):
        with open(path, "rb") as f:
            data = f.read()
        # P6 <width> <height> <maximum>, separated by white space, then one byte, then the pixels.
        fields = data[:64].split(None, 4)
        if fields[0] != b"P6" or fields[3] != b"255":
            raise ValueError(f"{path} is not a binary PPM with 8 bits a channel")
        width, height = int(fields[1]), int(fields[2])
        return cls(width, height, data[len(data) - width * height * 3:])

    @classmethod
    def from_file(cls, path):
        """PPM or PNG, by the first bytes."""
        with open(path, "rb") as f:
            data = f.read()
        return cls._from_png(data) if data.startswith(b"\x89PNG") else cls.from_ppm(path)

    @classmethod
    def _from_png(cls, data):
        chunks, at = {}, 8
        while at < len(data):
            size, kind = struct.unpack(">I4s", data[at:at + 8])
            chunks[kind] = chunks.get(kind, b"") + data[at + 8:at + 8 + size]
            at += size + 12
        width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
        channels = {2: 3, 6: 4}.get(colours)
        if depth != 8 or channels is None or interlaced:
            raise ValueError(f"a PNG of depth {depth} and colour type {colours} is none that QEMU writes")
        rows = _unfiltered(zlib.decompress(chunks[b"IDAT"]), width * channels, height, channels)
        if channels == 4:
            rows = b"".join(rows[i:i + 3] for i in range(0, len(rows), 4))
        return cls(width, height, rows)

    def at(self, x, y):
        i = (y * self.width + x) * 3
        return tuple(self.pixels[i:i + 3])

    def save_png(self, path):
        stride = self.width * 3
        rows = b"".join(b"\0" + self.pixels[y * stride:(y + 1) * stride] for y in range(self.height))

        def chunk(kind, body):
            return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        with open(path, "wb") as f:
            f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 6)) +
                    chunk(b"IEND", b""))

    def region_is(self, left, top, width, height, colour, tolerance=0):
        """True if every pixel of the region has `colour`."""
        return all(near(self.at(x, y), colour, tolerance)
                   for y in range(top, top + height) for x in range(left, left + width))

    def colours_in(self, left, top, width, height):
        return {self.at(x, y) for y in range(top, top + height) for x in range(left, left + width)}

    def mismatch(self, reference, step=1, tolerance=0):
        """The share (0..1) of sampled pixels that differ from reference(x, y) -> (r, g, b)."""
        wrong = total = 0
        for y in range(step // 2, self.height, step):
            for x in range(step // 2, self.width, step):
                total += 1
                wrong += not near(self.at(x, y), reference(x, y), tolerance)
        return wrong / total

    def __eq__(self, other):
        return (self.width, self.height, self.pixels) == (other.width, other.height, other.pixels)


def _unfiltered(data, stride, height, channels):
    """The pixels of PNG's filtered rows."""
    above, rows = bytearray(stride), []
    for y in range(height):
        kind, row = data[y * (stride + 1)], bytearray(data[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        if kind:
            for x in range(stride):
                left = row[x - channels] if x >= channels else 0
                corner = above[x - channels] if x >= channels else 0
                row[x] = row[x] + (left, above[x], (left + above[x]) // 2, _paeth(left, above[x], corner))[kind - 1] & 255
        rows.append(bytes(row))
        above = row
    return b"".join(rows)


def _paeth(left, above, corner):
    estimate = left + above - corner
    return min((left, above, corner), key=lambda value: abs(estimate - value))


def near(a, b, tolerance):
    return all(abs(p - q) <= tolerance for p, q in zip(a, b))


def rgb(colour):
    """0xRRGGBB -> (r, g, b)."""
    return (colour >> 16 & 255, colour >> 8 & 255, colour & 255)
