"""Everything that can be set: dataclasses whose fields carry their own help text.

A setting has one name everywhere: `mask.ratio` in YAML, `--mask.ratio` on the command line, `config.mask.ratio` here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jointwise.config.augmentation import AugmentConfig, StrongConfig, WeakConfig
from jointwise.config.fields import check_at_least, check_share, group, setting
from jointwise.errors import ConfigError


@dataclass
class ClipConfig:
    """What a clip is."""

    frames: int = setting(120, "frames of a clip after resampling, T")
    segment: int = setting(4, "frames per token, s; frames is a multiple of it")
    input: Literal["place", "place+motion", "relative+motion"] = setting(
        "place",
        "numbers of a token: place (coordinates), place+motion: also their change to the next frame, or "
        "relative+motion: the same of coordinates relative to the root in each frame, but for the root's own",
    )
    scale: float | None = setting(
        None,
        "coordinates are divided by it before they enter a network; null: 1 for metres, else (and with motion "
        "always) the median of their RMS in the training part; the run keeps which",
    )
    motion_scale: float | None = setting(
        None,
        "changes between frames are divided by it, where motion enters; null: the median of their RMS in the clips "
        "of the training part; the run keeps which",
    )

    centre: str | None = setting(
        None,
        "joint that places are relative to, for relative+motion; null: the root of the layout, else the middle of the "
        "hips; the run keeps which",
    )

    def __post_init__(self) -> None:
        if self.segment < 1 or self.frames < self.segment or self.frames % self.segment:
            raise ConfigError(
                f"clip.frames {self.frames} is not a positive multiple of clip.segment {self.segment}: "
                "a clip is cut into whole segments."
            )
        for name, what in (("scale", "coordinates"), ("motion_scale", "changes between frames")):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"clip.{name} {value} must be above 0: {what} are divided by it.")
        if self.motion_scale is not None and not self.has_motion:
            raise ConfigError("clip.motion_scale: clip.input place has no motion. Leave it out, or take place+motion.")
        if self.centre is not None and not self.is_relative:
            raise ConfigError(f"clip.centre: clip.input {self.input} is relative to no joint. Take relative+motion.")

    @property
    def has_motion(self) -> bool:
        """Whether a token has the change of its coordinates beside them."""
        return self.input != "place"

    @property
    def is_relative(self) -> bool:
        """Whether coordinates are relative to the root in each frame."""
        return self.input == "relative+motion"


@dataclass
class EncoderConfig:
    """The transformer that is trained, distilled and kept."""

    axis: str = setting("spatial", "which tokens attend to each other: spatial, temporal, spacetime, factorised")
    depth: int = setting(5, "transformer blocks")
    width: int = setting(256, "features per token, D; a multiple of heads")
    heads: int = setting(8, "attention heads, of encoder, predictor and decoder")

    def __post_init__(self) -> None:
        check_at_least(1, "encoder", depth=self.depth, width=self.width, heads=self.heads)
        if self.width % self.heads:
            raise ConfigError(f"encoder.width {self.width} is not a multiple of encoder.heads {self.heads}.")


@dataclass
class MaskConfig:
    """What is hidden from the student."""

    strategy: str = setting(
        "joint-frame", "how hidden tokens are chosen: random, motion, joint-frame, tube, semantic-tube"
    )
    ratio: float = setting(0.9, "share of tokens that is hidden")
    joint_ratio: float | None = setting(
        None, "share of joints hidden by joint-frame; null: ratio is split evenly over joints and segments"
    )
    segment_ratio: float | None = setting(None, "share of segments hidden by joint-frame; given with joint_ratio")
    hidden: Literal["dropped", "zeroed"] = setting(
        "dropped", "hidden tokens are dropped (a mask token stands for them later) or zeroed (they stay, as zeros)"
    )

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
    """From the student's features to the teacher's."""

    use: bool = setting(True, "false: no predictor and no teacher")
    axis: str = setting("spacetime", "which tokens attend to each other: spatial, temporal, spacetime, factorised")
    depth: int = setting(3, "transformer blocks")
    share: float = setting(0.25, "share of the hidden tokens that are predicted, for objective cross_prediction")

    def __post_init__(self) -> None:
        check_at_least(1, "predictor", depth=self.depth)
        check_share("predictor", share=self.share)


@dataclass
class DecoderConfig:
    """From the student's features to coordinates."""

    use: bool = setting(True, "false: no decoder")
    depth: int = setting(3, "transformer blocks")
    width: int | None = setting(None, "features per token; null: the encoder's width")
    target: str = setting("joints", "what is rebuilt: joints, or motion between frames")
    region: Literal["all", "hidden"] = setting("all", "which tokens enter the loss: all, or hidden ones only")
    normalisation: str = setting("none", "how the target is standardised: none, token (MAMP), axis-over-time")

    def __post_init__(self) -> None:
        check_at_least(1, "decoder", depth=self.depth)
        if self.width is not None:
            check_at_least(1, "decoder", width=self.width)


@dataclass
class TeacherConfig:
    """The moving average (EMA) of the student."""

    horizon: float = setting(
        0.05, "averaging horizon as a share of the run: α = 1 - 1 / (horizon · steps), clipped to [0.98, 0.9999]"
    )
    momentum: float | None = setting(None, "a fixed α instead of the horizon's")
    normalise: Literal["layer", "none"] = setting("layer", "layer: its features pass a LayerNorm without parameters")
    blocks: int = setting(1, "1: the encoder's output is the target; K > 1: the mean over its last K blocks")

    def __post_init__(self) -> None:
        if self.horizon <= 0:
            raise ConfigError(f"teacher.horizon {self.horizon} must be positive: it is a share of the run.")
        if self.momentum is not None:
            check_share("teacher", momentum=self.momentum)
        check_at_least(1, "teacher", blocks=self.blocks)


@dataclass
class LossConfig:
    """The parts of the pre-training loss.

    Cross-entropy is that of S-JEPA (Abdelfattah and Alahi, ECCV 2024); temperatures and centre momentum are those of
    DINO (Caron et al., ICCV 2021).
    """

    latent: float = setting(1.0, "weight of the latent loss, student to teacher")
    reconstruction: float = setting(1.0, "weight of the reconstruction loss")
    objective: Literal["l2", "cross-entropy"] = setting(
        "l2", "latent loss: l2 (the report, eq. 1), or cross-entropy between distributions over features (S-JEPA)"
    )
    student_temperature: float = setting(0.1, "temperature of the student's distribution, for cross-entropy")
    teacher_temperature: float = setting(0.04, "temperature of the teacher's distribution, for cross-entropy")
    centre_momentum: float = setting(0.9, "momentum of the centre of the teacher's features, for cross-entropy")

    def __post_init__(self) -> None:
        check_at_least(0, "loss", latent=self.latent, reconstruction=self.reconstruction)
        check_at_least(1e-3, "loss", student_temperature=self.student_temperature)
        check_at_least(1e-3, "loss", teacher_temperature=self.teacher_temperature)
        check_share("loss", centre_momentum=self.centre_momentum)


@dataclass
class TrainConfig:
    """One training: AdamW, linear warm-up, cosine from lr to final_lr."""

    steps: int = setting(125_000, "optimiser steps")
    batch: int = setting(32, "clips per step")
    lr: float = setting(1e-3, "largest learning rate")
    final_lr: float = setting(5e-4, "learning rate of the last step")
    warmup: float = setting(0.05, "share of the steps in which the learning rate rises")
    weight_decay: float = setting(0.05, "decay of the matrices of linear layers")
    beta2: float = setting(0.95, "AdamW's second momentum")
    clip_gradient: float = setting(0.0, "largest norm of the gradient; 0: unlimited")
    augment: AugmentConfig = group(AugmentConfig, "how training clips vary")

    def __post_init__(self) -> None:
        check_at_least(1, "training", steps=self.steps, batch=self.batch)
        check_at_least(0, "training", lr=self.lr, final_lr=self.final_lr, weight_decay=self.weight_decay)
        check_at_least(0, "training", clip_gradient=self.clip_gradient)
        check_share("training", warmup=self.warmup)
        check_share("training", below_one=True, beta2=self.beta2)


@dataclass
class PretrainConfig(TrainConfig):
    """Training without labels."""

    probe_every: int = setting(
        0, "epochs between probes (k-NN, linear) of frozen features on validation_subjects; 0: none"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(0, "pretrain", probe_every=self.probe_every)


@dataclass
class FinetuneConfig(TrainConfig):
    """Training with labels, from a pre-trained encoder."""

    steps: int = setting(84_000, "optimiser steps")
    batch: int = setting(48, "clips per step, at least 2")
    lr: float = setting(3e-4, "largest learning rate")
    final_lr: float = setting(1e-5, "learning rate of the last step")
    beta2: float = setting(0.999, "AdamW's second momentum")
    layer_decay: float = setting(0.8, "learning rate of each layer as a share of that of the layer above it")
    drop_path: float = setting(0.3, "probability that the last block is skipped for a person; it grows with depth")
    dropout: float = setting(0.3, "dropout on the features before the head")
    label_smoothing: float = setting(0.1, "share of the target that is spread over all classes")
    hidden: int = setting(2048, "width of the head's hidden layer")
    average: float = setting(
        0.0,
        "horizon of an average of the weights that is kept instead of the last ones, as a share of the run (at least "
        "50 steps); 0: off",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("fine-tuning", average=self.average)
        check_at_least(1, "fine-tuning", hidden=self.hidden)
        check_at_least(2, "fine-tuning", batch=self.batch)  # BatchNorm in the head needs two clips
        check_share("fine-tuning", layer_decay=self.layer_decay, label_smoothing=self.label_smoothing)
        check_share("fine-tuning", below_one=True, drop_path=self.drop_path, dropout=self.dropout)


@dataclass
class ScratchConfig(FinetuneConfig):
    """Training with labels, from random weights.

    The supervised baseline has a recipe of its own: without regularisation it would be too easy to beat.
    """

    layer_decay: float = setting(1.0, "learning rate of each layer as a share of that of the layer above it")


@dataclass
class SemiConfig:
    """What `--unlabelled pseudo` adds to the recipe `finetune` or `scratch`, and its steps in place of theirs."""

    steps: int = setting(600, "optimiser steps")
    batch: int = setting(32, "unlabelled clips per step, beside the labelled ones of the recipe")
    threshold: float = setting(0.6, "a clip gets a pseudo-label where its largest probability exceeds it")
    weight: float = setting(1.0, "weight of the loss on pseudo-labels")
    ramp: float = setting(0.3, "share of the steps in which pseudo-labels pass from label propagation to the teacher")
    momentum: float = setting(0.99, "largest α of the teacher, the moving average of encoder and head")
    prior_momentum: float = setting(0.95, "momentum of the prior that the probabilities are divided by")
    weak: WeakConfig = group(WeakConfig, "how the clips vary that the teacher labels")
    strong: StrongConfig = group(StrongConfig, "how the clips vary that the student sees, labelled ones too")

    def __post_init__(self) -> None:
        check_at_least(1, "semi", steps=self.steps, batch=self.batch)
        check_at_least(0, "semi", weight=self.weight)
        check_share("semi", threshold=self.threshold, ramp=self.ramp)
        check_share("semi", momentum=self.momentum, prior_momentum=self.prior_momentum)


@dataclass
class LinearConfig:
    """Linear probe: BatchNorm without affine + Linear by SGD on cached centre-crop features."""

    steps: int = setting(2_000, "SGD steps")
    batch: int = setting(256, "clips per step, at least 2")
    lr: float = setting(0.1, "first learning rate of the cosine")
    momentum: float = setting(0.9, "SGD's momentum")

    def __post_init__(self) -> None:
        check_at_least(1, "probe.linear", steps=self.steps)
        check_at_least(0, "probe.linear", lr=self.lr)
        check_share("probe.linear", momentum=self.momentum)
        check_at_least(2, "probe.linear", batch=self.batch)


@dataclass
class CompleteConfig(TrainConfig):
    """The head of protocol `complete`, from frozen features to coordinates."""

    steps: int = setting(300, "optimiser steps")
    final_lr: float = setting(0.0, "learning rate of the last step")
    depth: int = setting(1, "transformer blocks of the head")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, "probe.complete", depth=self.depth)


@dataclass
class ProbeConfig:
    """Protocols on frozen features."""

    pooling: str = setting("mean", "how the tokens of a clip become one vector: mean, joints, phases, joint-phases")
    linear: LinearConfig = group(LinearConfig, "linear probe")
    complete: CompleteConfig = group(CompleteConfig, "head of protocol complete")


@dataclass
class ExecutionConfig:
    """Where and how it runs; does not affect results beyond rounding."""

    device: str = setting("auto", "cpu, cuda, cuda:1, or auto: a GPU where there is one")
    precision: Literal["fp32", "bf16"] = setting(
        "fp32", "fp32, or bf16 under autocast; bf16 is slow on a CPU without avx512_bf16 or amx_bf16"
    )
    checkpoint_every: int = setting(1_000, "steps between checkpoints")
    log_every: int = setting(10, "steps between lines of metrics.jsonl")
    track: str = setting("none", "where the log is shown too while it runs: tensorboard, wandb, mlflow, or none")
    compile: bool = setting(False, "fuse each transformer block (torch.compile); worth its first minute on a GPU")

    def __post_init__(self) -> None:
        check_at_least(1, "execution", checkpoint_every=self.checkpoint_every, log_every=self.log_every)


@dataclass
class Config:
    """Everything that decides a result, and how it is executed."""

    system: str = setting("", "name of the system")
    quick: bool = setting(False, "whether --quick made it, or a run that it starts from: its scores mean nothing")
    objective: str = setting("masked_prediction", "what pre-training learns from, a key of OBJECTIVES")
    clip: ClipConfig = group(ClipConfig, "what a clip is")
    encoder: EncoderConfig = group(EncoderConfig, "the transformer that is trained and kept")
    mask: MaskConfig = group(MaskConfig, "what is hidden from the student")
    predictor: PredictorConfig = group(PredictorConfig, "from the student's features to the teacher's")
    decoder: DecoderConfig = group(DecoderConfig, "from the student's features to coordinates")
    teacher: TeacherConfig = group(TeacherConfig, "the moving average of the student")
    loss: LossConfig = group(LossConfig, "the parts of the pre-training loss")
    pretrain: PretrainConfig = group(PretrainConfig, "pre-training")
    finetune: FinetuneConfig = group(FinetuneConfig, "fine-tuning a pre-trained encoder")
    scratch: ScratchConfig = group(ScratchConfig, "training from random weights")
    semi: SemiConfig = group(SemiConfig, "training with --unlabelled pseudo")
    probe: ProbeConfig = group(ProbeConfig, "protocols on frozen features")
    validation_subjects: list[int] = setting(
        [], "training subjects to hold out, such as [7]: they are scored, and the test part is never looked at"
    )
    allow_duplicates: bool = setting(False, "train although sequences of the test part are in the training part too")
    execution: ExecutionConfig = group(ExecutionConfig, "where and how it runs")

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
    def pretrains(self) -> bool:
        """Whether there is something to pre-train; else the system learns from labels only."""
        return self.predictor.use or self.decoder.use

    @property
    def segments(self) -> int:
        """Segments per clip, T_e."""
        return self.clip.frames // self.clip.segment
