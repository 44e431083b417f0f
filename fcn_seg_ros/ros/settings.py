"""The values of the node's parameters, as everything in the node sees them."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..fractions import Box
from ..geometry.pose import Pose
from ..navigation.costmap import GridSettings
from ..navigation.obstacles import CloudLimits
from ..support.arrays import Size


@dataclass(frozen=True)
class Mount:
    """
    Where a camera is fixed, ``mount.*``.

    :ivar height: of the lens above the ground, m; 0 where TF tells.
    :ivar x: of the lens ahead of the ground frame's origin, m.
    :ivar y: of the lens to the left of it, m.
    :ivar roll: rad, as ``pitch`` and ``yaw``.
    :ivar publish_tf: the node publishes the transform, unless TF has another.
    """

    height: float
    x: float
    y: float
    roll: float
    pitch: float
    yaw: float
    publish_tf: bool

    def pose(self) -> Pose | None:
        """
        Return the :class:`.Pose` of the optical frame over the ground, None where TF tells.

        :raises CalibrationError: for numbers that are none.
        """
        if self.height <= 0.0:
            return None
        return Pose.from_mount(height=self.height, x=self.x, y=self.y, roll=self.roll,
                               pitch=self.pitch, yaw=self.yaw)


@dataclass(frozen=True, kw_only=True)
class Points(CloudLimits):
    """
    What clouds are made of, ``points.*``.

    :ivar depth_slop: largest difference between the stamps of an image and its depth, s.
    :ivar patience: seconds that depth and transforms of a frame are waited for.
    """

    depth_slop: float
    patience: float


@dataclass(frozen=True, kw_only=True)
class Costmap(GridSettings):
    """
    The grid, ``costmap.*``.

    :ivar frame: its frame_id.
    """

    frame: str


@dataclass(frozen=True)
class Limits:
    """
    What the diagnostics judge by, ``diagnostics.*``.

    Seconds, shares of the frames, and frames a second, as the parameters' descriptions say.
    """

    window: float
    rate_warn: float
    rate_error: float
    age_warn: float
    age_stale: float
    latency_warn: float
    latency_error: float
    drops_warn: float
    errors_warn: float
    errors_error: float
    hang_timeout: float


@dataclass(frozen=True)
class Settings:
    """
    All of them, checked; what each means is said in ``parameter_specs.py``.

    :ivar mask_size: as :meth:`.Segmenter.segment` takes it: a size, 'network', or None for the
        image's own.
    :ivar regions: {name: (x0, y0, x1, y1)} in shares of the image.
    :ivar mounts: {camera: where it is fixed}; '' is the name of an only camera.
    """

    network: str
    weights: str
    models_dir: str
    download: bool
    device: str
    engine: str
    precision: str
    threads: int
    deterministic: bool
    image_transport: str
    mask_size: Size | str | None
    rectified: bool
    overlay_alpha: float
    min_confidence: float
    ignore_classes: tuple[str, ...]
    max_rate: float
    regions: Mapping[str, Box]
    cameras: tuple[str, ...]
    autostart: bool
    roles: str
    ground_frame: str
    ground_z: float
    mounts: Mapping[str, Mount]
    points: Points
    costmap: Costmap
    diagnostics: Limits
