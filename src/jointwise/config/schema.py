"""All settings, as dataclasses, each with what it means and what it may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from jointwise.errors import ConfigError

Axis = Literal["spatial", "temporal", "spacetime", "factorised"]


def _at_least(least: float, group: str, **values: float) -> None:
    for name, value in values.items():
        if not value >= least:
            raise ConfigError(f"{group}: {name} {value} must be at least {least:g}.")


def _share(group: str, below_one: bool = False, **values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1 or (below_one and value == 1):
            raise ConfigError(f"{group}: {name} {value} must lie between 0 and 1{', below 1' if below_one else ''}.")


@dataclass
class ClipConfig:
    """What a clip is: `frames` frames after resampling, `segment` frames per token.

    scale: what coordinates are divided by before they enter a network; None: 1 for metres, else the median RMS of the
    training recordings, and the run keeps which.
    """

    frames: int = 120
    segment: int = 4
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.segment < 1 or self.frames < self.segment or self.frames % self.segment:
            raise ConfigError(
                f"clip.frames {self.frames} is not a positive multiple of clip.segment {self.segment}: "
                "a clip is cut into whole segments."
            )
        if self.scale is not None and not 0 < self.scale < float("inf"):
            raise ConfigError(f"clip.scale {self.scale} must be above 0: coordinates are divided by it.")


@dataclass
class EncoderConfig:
    """The transformer that is trained, distilled and kept."""

    axis: Axis = "spatial"
    depth: int = 5
    width: int = 256
    heads: int = 8

    def __post_init__(self) -> None:
        _at_least(1, "encoder", depth=self.depth, width=self.width, heads=self.heads)
        if self.width % self.heads:
            raise ConfigError(f"encoder.width {self.width} is not a multiple of encoder.heads {self.heads}.")


@dataclass
class MaskConfig:
    """What the student does not see: a strategy and the share of tokens it hides.

    joint_ratio, segment_ratio: shares of hidden joints and segments for `joint-frame`, which else splits `ratio`
    evenly. hidden: such tokens are `dropped` (a mask token stands for them later) or stay with `zeroed` coordinates.
    """

    strategy: Literal["random", "motion", "joint-frame", "tube"] = "joint-frame"
    ratio: float = 0.9
    joint_ratio: float | None = None
    segment_ratio: float | None = None
    hidden: Literal["dropped", "zeroed"] = "dropped"

    def __post_init__(self) -> None:
        shares = {"ratio": self.ratio, "joint_ratio": self.joint_ratio, "segment_ratio": self.segment_ratio}
        for name, share in shares.items():
            if share is not None and not 0 < share < 1:
                raise ConfigError(f"mask.{name} {share} must lie between 0 and 1: it is the share that is hidden.")
        if (self.joint_ratio is None) != (self.segment_ratio is None):
            raise ConfigError("mask.joint_ratio and mask.segment_ratio belong together: give both or neither.")
        if self.joint_ratio is not None and self.strategy != "joint-frame":
            raise ConfigError(f"mask.joint_ratio: mask '{self.strategy}' hides tokens by mask.ratio alone.")


@dataclass
class PredictorConfig:
    """From the student's features to the teacher's. use: off means no predictor and no teacher."""

    use: bool = True
    axis: Axis = "spacetime"
    depth: int = 3

    def __post_init__(self) -> None:
        _at_least(1, "predictor", depth=self.depth)


@dataclass
class DecoderConfig:
    """From the student's features to coordinates. use: off means no decoder. width: None is the encoder's; the heads
    always are."""

    use: bool = True
    depth: int = 3
    width: int | None = None
    target: Literal["joints", "motion"] = "joints"
    region: Literal["all", "hidden"] = "all"
    normalisation: Literal["none", "token", "axis-over-time"] = "none"

    def __post_init__(self) -> None:
        _at_least(1, "decoder", depth=self.depth)
        if self.width is not None:
            _at_least(1, "decoder", width=self.width)


@dataclass
class TeacherConfig:
    """The slowly moving copy of the student.

    horizon: averaging horizon as a share of the run, α = 1 − 1 / (horizon · steps), clipped to [0.98, 0.9999].
    momentum: a fixed α instead. normalise: `layer` puts its features through a LayerNorm without parameters. blocks:
    1 makes the encoder's output the target, K > 1 the mean over the outputs of its last K blocks.
    """

    horizon: float = 0.05
    momentum: float | None = None
    normalise: Literal["layer", "none"] = "layer"
    blocks: int = 1

    def __post_init__(self) -> None:
        if self.horizon <= 0:
            raise ConfigError(f"teacher.horizon {self.horizon} must be positive: it is a share of the run.")
        if self.momentum is not None:
            _share("teacher", momentum=self.momentum)
        _at_least(1, "teacher", blocks=self.blocks)


@dataclass
class LossConfig:
    """Weights of the latent loss (student to teacher) and of the reconstruction; and which latent loss.

    objective: `l2` (the report, eq. 1), or `cross-entropy` between distributions over the features, the teacher's
    centred and sharpened by its lower temperature (S-JEPA: Abdelfattah and Alahi, ECCV 2024; DINO: Caron et al., ICCV
    2021, whose temperatures and centre momentum these are).
    """

    latent: float = 1.0
    reconstruction: float = 1.0
    objective: Literal["l2", "cross-entropy"] = "l2"
    student_temperature: float = 0.1
    teacher_temperature: float = 0.04
    centre_momentum: float = 0.9

    def __post_init__(self) -> None:
        _at_least(0, "loss", latent=self.latent, reconstruction=self.reconstruction)
        _at_least(1e-3, "loss", student_temperature=self.student_temperature)
        _at_least(1e-3, "loss", teacher_temperature=self.teacher_temperature)
        _share("loss", centre_momentum=self.centre_momentum)


@dataclass
class AugmentConfig:
    """How training clips vary.

    crop: least share of frames kept. rotation: radians about each axis. mirror: probability of a true mirror image.
    scale: largest relative change of size; bones: of the length of each bone.
    """

    crop: float = 0.5
    rotation: float = 0.3
    mirror: float = 0.0
    scale: float = 0.0
    bones: float = 0.0

    def __post_init__(self) -> None:
        _share("augment", crop=self.crop, mirror=self.mirror, scale=self.scale, bones=self.bones)
        _at_least(0, "augment", rotation=self.rotation)


@dataclass
class TrainConfig:
    """One training: AdamW, linear warm-up over `warmup` of the steps, cosine from lr to final_lr."""

    steps: int = 125_000
    batch: int = 32
    lr: float = 1e-3
    final_lr: float = 5e-4
    warmup: float = 0.05
    weight_decay: float = 0.05
    beta2: float = 0.95
    clip_gradient: float = 0.0  # largest norm of the gradient; 0: unlimited
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        _at_least(1, "training", steps=self.steps, batch=self.batch)
        _at_least(0, "training", lr=self.lr, final_lr=self.final_lr, weight_decay=self.weight_decay)
        _at_least(0, "training", clip_gradient=self.clip_gradient)
        _share("training", warmup=self.warmup)
        _share("training", below_one=True, beta2=self.beta2)


@dataclass
class PretrainConfig(TrainConfig):
    """Training without labels. probe_every: epochs between probes (k-NN, linear) of the student's frozen features on
    held-out training subjects; 0: none. Needs `validation_subjects`."""

    probe_every: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(0, "pretrain", probe_every=self.probe_every)


@dataclass
class FinetuneConfig(TrainConfig):
    """Training with labels. layer_decay: each layer below the head learns at this times the one above it.

    average: horizon of an average of the weights over the steps, as a share of the run (50 steps at least), that is
    kept instead of the last weights; 0: off (the report's open question, section 5).
    """

    steps: int = 84_000
    batch: int = 48
    lr: float = 3e-4
    final_lr: float = 1e-5
    beta2: float = 0.999
    layer_decay: float = 0.8
    drop_path: float = 0.3
    dropout: float = 0.3
    label_smoothing: float = 0.1
    hidden: int = 2048
    average: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _share("fine-tuning", average=self.average)
        _at_least(1, "fine-tuning", hidden=self.hidden)
        _at_least(2, "fine-tuning", batch=self.batch)  # BatchNorm in the head needs two clips
        _share("fine-tuning", layer_decay=self.layer_decay, label_smoothing=self.label_smoothing)
        _share("fine-tuning", below_one=True, drop_path=self.drop_path, dropout=self.dropout)


@dataclass
class ScratchConfig(FinetuneConfig):
    """The supervised baseline has a recipe of its own: a baseline without regularisation is a straw man."""

    layer_decay: float = 1.0


@dataclass
class LinearConfig:
    """Linear probe: BatchNorm without affine + Linear by SGD on cached centre-crop features."""

    steps: int = 2_000
    batch: int = 256
    lr: float = 0.1
    momentum: float = 0.9

    def __post_init__(self) -> None:
        _at_least(1, "probe.linear", steps=self.steps)
        _at_least(2, "probe.linear", batch=self.batch)


@dataclass
class CompleteConfig(TrainConfig):
    """The head of protocol `complete`, from frozen features to coordinates. depth: of its transformer."""

    steps: int = 300
    final_lr: float = 0.0
    depth: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(1, "probe.complete", depth=self.depth)


@dataclass
class ProbeConfig:
    """Frozen-feature protocols. pooling: how the tokens of a clip become one vector."""

    pooling: Literal["mean", "joints", "phases", "joint-phases"] = "mean"
    linear: LinearConfig = field(default_factory=LinearConfig)
    complete: CompleteConfig = field(default_factory=CompleteConfig)


@dataclass
class ExecutionConfig:
    """Where and how it runs; should not affect results beyond rounding.

    device: `auto` takes a GPU when there is one. precision: `bf16` runs under autocast. checkpoint_every: steps
    between checkpoints. log_every: steps between lines of metrics.jsonl. compile: fuse the operations of each
    transformer block (torch.compile); worth its first minute on a GPU.
    """

    device: str = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    checkpoint_every: int = 1_000
    log_every: int = 10
    compile: bool = False

    def __post_init__(self) -> None:
        _at_least(1, "execution", checkpoint_every=self.checkpoint_every, log_every=self.log_every)


@dataclass
class Config:
    """Everything that decides a result, and how it is executed.

    validation_subjects: training subjects to hold out; evaluation then runs on them and never on the test part.
    allow_duplicates: train although sequences of the test part are in the training part too.
    """

    system: str = ""
    clip: ClipConfig = field(default_factory=ClipConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    mask: MaskConfig = field(default_factory=MaskConfig)
    predictor: PredictorConfig = field(default_factory=PredictorConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    scratch: ScratchConfig = field(default_factory=ScratchConfig)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    validation_subjects: list[int] = field(default_factory=list)
    allow_duplicates: bool = False
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)

    def __post_init__(self) -> None:
        if self.teacher.blocks > self.encoder.depth:
            raise ConfigError(
                f"teacher.blocks {self.teacher.blocks} is more than encoder.depth {self.encoder.depth}: there are not "
                "so many to average."
            )
        if self.decoder.width is not None and self.decoder.width % self.encoder.heads:
            raise ConfigError(
                f"decoder.width {self.decoder.width} is not a multiple of encoder.heads {self.encoder.heads}: the "
                "decoder has as many heads as the encoder."
            )

    @property
    def segments(self) -> int:
        """Segments per clip, T_e."""
        return self.clip.frames // self.clip.segment
