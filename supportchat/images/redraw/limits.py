"""The limits on pictures and on the cost of re-encoding them, all in one place."""

from __future__ import annotations

MEGABYTE = 1024 * 1024

MOST_BYTES = 10 * MEGABYTE  # of an upload; the Supabase bucket and the table of pictures have the same limit
MOST_OUTPUT = 10 * MEGABYTE

# We store JPEG and WebP; older versions stored the others as well. The table of pictures checks the same list.
EXTENSIONS = {"image/jpeg": "jpg", "image/webp": "webp", "image/png": "png", "image/gif": "gif"}

# Pixels in a file, by the measured memory for decoding: JPEG is decoded at a fraction of its size, HEIC and AVIF need
# 8 bytes per pixel, WebP 16, the others 4.
MOST_PIXELS = {
    "JPEG": 256_000_000,
    "PNG": 64_000_000,
    "GIF": 64_000_000,
    "WEBP": 34_000_000,
    "HEIC": 50_000_000,
    "AVIF": 50_000_000,
}
# A progressive JPEG is held in memory as coefficients of two bytes.
MOST_COEFFICIENT_BYTES = 480 * MEGABYTE

# Stored pictures fit into this square. Long screenshots of whole pages may be longer, so that they stay readable.
LONGEST_SIDE = 2048
READABLE_SIDE = 1080
LONG_PIXELS = 10_000_000
LONGEST_LONG_SIDE = 16_000  # WebP ends at 16,383

FACE_SIDE = 256  # of the square picture of a person

MOST_FRAMES = 300
MOST_MOVING_PIXELS = 150_000_000  # all frames together, decoded
MOST_FRAME_PIXELS = 8_000_000
LONGEST_MOVING_SIDE = 640
MOVING_PIXELS = 12_000_000  # all frames together, stored
MOVING_CPU_SECONDS = 3.0  # for decoding; storing them takes about half as long

MEMORY = 768 * MEGABYTE
CPU_SECONDS = 6
