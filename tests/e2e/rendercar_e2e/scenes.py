"""What each pixel of the guest's pictures must be, computed independently of any GPU code (see tests/guest).

Each function returns reference(x, y) -> (r, g, b) for a screen of width x height.
SPDX-License-Identifier: Apache-2.0
"""

import math

from .picture import rgb

CELL_WIDTH, CELL_HEIGHT = 8, 16  # the guest's console font
CONSOLE_COLOURS = [rgb(c) for c in (0x000000, 0xAA0000, 0x00AA00, 0xAA5500, 0x0000AA, 0xAA00AA, 0x00AAAA, 0xAAAAAA)]
BARS = [rgb(c) for c in (0xFFFFFF, 0xFFFF00, 0x00FFFF, 0x00FF00, 0xFF00FF, 0xFF0000, 0x0000FF, 0x000000)]
CUBE_FACES = [rgb(c) for c in (0xFF0000, 0x00FFFF, 0x00FF00, 0xFF00FF, 0x0000FF, 0xFFFF00)]
ORANGE = (255, 128, 0)


def console_bars(width, height):
    """tests/guest/console: rows 1-8 of text hold five cells of each colour; the rest is black (the text line aside)."""
    def reference(x, y):
        column = x // (CELL_WIDTH * 5)
        return CONSOLE_COLOURS[column] if y < 8 * CELL_HEIGHT and column < 8 else (0, 0, 0)
    return reference


def fill(colour):
    return lambda x, y: rgb(colour)


def bars(width, height):
    return lambda x, y: BARS[x * 8 // width]


def gradient(width, height, blue=0):
    return lambda x, y: (x * 255 // (width - 1), y * 255 // (height - 1), blue if (x ^ y) & 16 else 0)


def inside(polygon, x, y):
    """True if (x, y) lies in the convex polygon, whatever its direction."""
    signs = set()
    for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1]):
        cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
        signs.add(cross > 0)
    return len(signs) == 1


def to_pixels(width, height, points):
    return [((px + 1) / 2 * width, (1 - py) / 2 * height) for px, py in points]


def painted(background, polygons):
    def reference(x, y):
        for polygon, colour in polygons:
            if inside(polygon, x + 0.5, y + 0.5):
                return colour
        return rgb(background)
    return reference


def triangle(width, height, background):
    corners = to_pixels(width, height, [(-0.8, -0.7), (0.6, -0.4), (-0.2, 0.9)])
    return painted(background, [(corners, ORANGE)])


def cube(width, height, background, angle):
    """The turned, tilted cube of tests/guest/scene.c in perspective; a convex body, so its front faces never overlap."""
    polygons = []
    for face, colour in enumerate(CUBE_FACES):
        corners = [_place(face, u, v, angle) for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        centre = [sum(c[i] for c in corners) / 4 for i in range(3)]
        normal = [c - m for c, m in zip(centre, (0, 0, -6))]
        if sum(n * c for n, c in zip(normal, centre)) < 0:  # looks towards the eye at the origin
            flat = [(2 * x / -z * height / width, 2 * y / -z) for x, y, z in corners]
            polygons.append((to_pixels(width, height, flat), colour))
    return painted(background, polygons)


def _place(face, u, v, angle):
    axis = face // 2
    p = [0.0, 0.0, 0.0]
    p[axis] = -1.0 if face % 2 else 1.0
    p[(axis + 1) % 3], p[(axis + 2) % 3] = u, v
    t, tilt = math.radians(angle), math.radians(30)
    x, y, z = p[0] * math.cos(t) + p[2] * math.sin(t), p[1], -p[0] * math.sin(t) + p[2] * math.cos(t)
    return (x, y * math.cos(tilt) - z * math.sin(tilt), y * math.sin(tilt) + z * math.cos(tilt) - 6)
