"""A video of a drawn person who waves, for a fake camera. MediaPipe finds the joints of it."""

import math
from pathlib import Path

from PIL import Image, ImageDraw

SIZE, FPS, FRAMES = (320, 240), 10, 10
SKIN, SHIRT, TROUSERS, DARK = (224, 172, 140), (40, 70, 140), (50, 50, 55), (30, 25, 20)
Point = tuple[float, float]


def draw_person(swing: float) -> Image.Image:
    """A person in front of a wall, 640 × 480, whose left hand is raised; `swing` from -1 to 1 says where it is."""
    image = Image.new("RGB", (640, 480), (200, 205, 210))
    pen = ImageDraw.Draw(image)

    def limb(colour: tuple[int, int, int], width: float, *points: Point) -> None:
        pen.line(points, fill=colour, width=round(width))
        for x, y in points:
            pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=colour)

    for hip, knee, foot in ((295, 290, 286), (345, 350, 354)):
        limb(TROUSERS, 34, (hip, 265), (knee, 350))
        limb(TROUSERS, 26, (knee, 350), (knee, 430))
        pen.ellipse([foot - 16, 425, foot + 16, 445], fill=DARK)
    pen.polygon([(275, 140), (365, 140), (358, 275), (282, 275)], fill=SHIRT)
    hand = (405 + 30 * swing, 105.0)
    for shoulder, elbow, wrist in (((280, 150), (250, 205), (240, 265)), ((360, 150), (400, 180), hand)):
        limb(SHIRT, 26, shoulder, elbow)
        limb(SKIN, 20, elbow, wrist)
        limb(SKIN, 24, wrist)
    limb(SKIN, 24, (320, 115), (320, 135))
    pen.ellipse([295, 60, 345, 125], fill=SKIN)
    pen.pieslice([293, 52, 347, 110], 180, 360, fill=DARK)  # hair
    for eye in (309, 331):
        pen.ellipse([eye - 3, 86, eye + 3, 92], fill=DARK)
    pen.line([(320, 92), (318, 102)], fill=(180, 120, 100), width=2)
    pen.line([(310, 110), (330, 110)], fill=(150, 60, 60), width=3)
    return image


def write_video(path: Path) -> Path:
    """A second of the person as y4m, which Chromium plays again and again in place of a camera."""
    width, height = SIZE
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(FRAMES):
            picture = draw_person(math.sin(2 * math.pi * number / FRAMES)).resize(SIZE).convert("YCbCr")
            light, blue, red = picture.split()
            half = (width // 2, height // 2)
            file.write(b"FRAME\n" + light.tobytes() + blue.resize(half).tobytes() + red.resize(half).tobytes())
    return path
