"""The street in metres and the camera that looks along it."""

from dataclasses import dataclass

from annotary.sample.cuboid import Point
from annotary.sample.things import Box, Ring

FAR = 900.0
"""Where the street ends for the eye, in metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A pinhole above the middle of the street; the street may bend away to one side."""

    width: int
    height: int
    horizon: float
    focal: float
    eye: float
    shift: float
    bend: float

    def project(self, x: float, up: float, z: float) -> Point:
        """The pixel position of a point x metres right of the middle, `up` high and z ahead."""
        aside = x - self.shift + self.bend * z * min(z, 160.0)
        return self.width / 2 + self.focal * aside / z, self.horizon + self.focal * (self.eye - up) / z

    def unit(self, z: float) -> float:
        """How many pixels a metre takes, z metres ahead."""
        return self.focal / z

    @property
    def near(self) -> float:
        """The distance of the ground at the lower edge of the picture."""
        return self.focal * self.eye / (self.height - self.horizon)

    def box(self, x: float, z: float, *, width: float, height: float) -> Box:
        """The whole-pixel box of something upright that stands on the ground at x, z."""
        foot, unit = self.project(x, 0.0, z), self.unit(z)
        left, right = round(foot[0] - width * unit / 2), round(foot[0] + width * unit / 2)
        top, bottom = round(foot[1] - height * unit), round(foot[1])
        return Box(left, top, max(right - left, 1), max(bottom - top, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """The ground plan: half the width of the road, its lanes, and a crossing street or none."""

    camera: Camera
    half: float
    lanes: tuple[float, ...]
    crossing: tuple[float, float] | None
    lean: float

    pavement: float = 4.0

    def strip(self, left: float, right: float, *, near: float = 0.0, far: float = FAR) -> Ring:
        """The outline of a strip of ground along the street."""
        near = near or self.camera.near * 0.9
        steps = [near * (far / near) ** (step / 15) for step in range(16)]
        ahead = [self.camera.project(left, 0.0, z) for z in steps]
        back = [self.camera.project(right, 0.0, z) for z in reversed(steps)]
        return (*ahead, *back)

    def crosses(self, near: float, far: float) -> bool:
        """Whether something between these distances would stand in the crossing street."""
        return self.crossing is not None and near < self.crossing[1] + 1 and far > self.crossing[0] - 1
