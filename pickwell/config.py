"""Every option of every verb that a configuration file may hold, with its range."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from pickwell.as_typed import entries_as_typed, mapping_as_typed, words_as_typed

Words = Annotated[list[str], BeforeValidator(words_as_typed)]
"""``a,b`` means in a file what it means on the command line."""
Entries = Annotated[list[str], BeforeValidator(entries_as_typed)]
"""The same of methods with their options."""
Columns = Annotated[dict[str, str], BeforeValidator(mapping_as_typed)]
"""``image=file,response=caption`` likewise."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Engine(_Strict):
    """Where the work is done; see ``scoring.cluster.ClusterOptions``."""

    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    worker_cpus: float | None = Field(default=None, gt=0)
    worker_gpus: float | None = Field(default=None, ge=0)
    max_workers: int | None = Field(default=None, ge=1)


class JudgeConfig(_Strict):
    """How the judge of ``pickwell score --judge`` is asked; see ``scoring.judge.JudgeOptions``."""

    rubric: Literal["aspects", "paper"] = "aspects"
    images: bool = True
    in_flight: int = Field(default=32, ge=1, le=4096)
    timeout: float = Field(default=120.0, gt=0)
    attempts: int = Field(default=6, ge=1, le=100)
    backoff: float = Field(default=0.5, ge=0)
    image_side: int = Field(default=768, ge=16, le=8192)
    max_tokens: int = Field(default=128, ge=8)
    price_in: float | None = Field(default=None, ge=0)
    price_out: float | None = Field(default=None, ge=0)
    engine: dict[str, Any] = Field(default_factory=dict)


class ScoreConfig(_Engine):
    """What ``pickwell score`` needs beside data and output folder."""

    models: str = "embedded"
    allow_pickle: Words = Field(default_factory=list)
    trust_remote_code: Words = Field(default_factory=list)
    judge: str | None = None
    judge_options: JudgeConfig = JudgeConfig()
    metrics: Words | None = None
    format: str | None = None
    images: Path | None = None
    card: str | None = None
    columns: Columns = Field(default_factory=dict)
    split: str | None = None
    subset: str | None = None
    streaming: bool = True
    allow_urls: bool = False
    instruction: str | None = None
    imports: list[Path] = Field(default_factory=list)
    like: Path | None = None
    chosen: Path | None = None
    cache: Path | None = None
    limit: int | None = Field(default=None, ge=1)
    shard_rows: int = Field(default=256, ge=1, le=65536)
    workers: int = Field(default=0, ge=0, le=256)
    max_pixels: int = Field(default=50_000_000, ge=1)
    thumbnail: int = Field(default=160, ge=0, le=1024)
    seed: int = 0

    @field_validator("models", mode="before")
    @classmethod
    def _roles_as_typed(cls, value: Any) -> Any:
        """``{preset: embedded, reward: ...}`` as what one would type."""
        from scoring.model_specs import as_text

        return as_text(value)


class SelectConfig(_Strict):
    """What ``pickwell select`` needs beside run and output folder."""

    budget: int = Field(default=200, ge=1)
    by: str | None = None
    method: str = "clusters"
    clusters: int | None = Field(default=None, ge=1)
    clustering: Literal["kmeans", "spectral"] = "kmeans"
    space: Literal["image", "text", "both"] = "both"
    floors: list[str] = Field(default_factory=list)
    default_floors: bool = True
    quality: str = "auto"
    consensus: Words | None = None
    near_duplicate: float = Field(default=0.95, gt=0, le=1.01)
    tempering: float = Field(default=1.0, ge=0, le=1)
    random_seeds: int = Field(default=200, ge=5)
    copy_images: bool = False
    add_to: Path | None = None
    seed: int = 0


class PruneConfig(_Engine):
    """What ``pickwell prune`` needs beside corpus and output folder."""

    keep: float = Field(default=0.8, gt=0, le=1)
    count: int | None = Field(default=None, ge=1)
    strategy: Literal["auto", "hard", "easy", "random", "moderate"] = "auto"
    by: str | None = None
    per_class: int | None = Field(default=None, ge=1)
    encoder: str = "embedded"
    allow_pickle: Words = Field(default_factory=list)
    trust_remote_code: Words = Field(default_factory=list)
    prototypes: int | None = Field(default=None, ge=1)
    supervised: bool = False
    balance: float = Field(default=0.5, ge=0, le=1)
    balance_by: Literal["auto", "labels", "clusters", "none"] = "auto"
    random_share: float = Field(default=0.0, ge=0, le=1)
    duplicates: float | None = Field(default=None, ge=-1, le=1)
    duplicates_share: float | None = Field(default=None, ge=0, lt=1)
    duplicates_first: Literal["hard", "easy", "random"] = "hard"
    chains: bool = False
    group: str | None = None
    probe: Literal["linear", "knn", "none"] = "linear"
    probe_seeds: int = Field(default=5, ge=2, le=100)
    robust: bool | None = None
    copy_records: bool = False
    copy_images: bool = False
    format: str | None = None
    images: Path | None = None
    columns: Columns = Field(default_factory=dict)
    split: str | None = None
    subset: str | None = None
    streaming: bool = True
    allow_urls: bool = False
    cache: Path | None = None
    limit: int | None = Field(default=None, ge=1)
    shard_rows: int = Field(default=256, ge=1, le=65536)
    workers: int = Field(default=0, ge=0, le=256)
    max_pixels: int = Field(default=50_000_000, ge=1)
    thumbnail: int = Field(default=160, ge=0, le=1024)
    seed: int = Field(default=0, ge=0, lt=2**31)

    @field_validator("group")
    @classmethod
    def _is_pattern(cls, value: str | None) -> str | None:
        """A pattern that cannot be read is told of before anything runs."""
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value


Shares = Annotated[list[Annotated[float, Field(gt=0, le=1)]], BeforeValidator(words_as_typed)]
Counts = Annotated[list[Annotated[int, Field(ge=1)]], BeforeValidator(words_as_typed)]


class BenchmarkConfig(_Strict):
    """What ``pickwell benchmark`` needs beside corpus and output folder."""

    methods: Entries = Field(
        default=[
            *("herding", "k-center", "facility-location", "graph-cut", "moderate"),
            *("hardest", "easiest", "ccs", "d2", "stratified"),
        ],
        min_length=1,
    )
    score: str = "el2n"
    score_runs: int = Field(default=3, ge=1)
    score_epochs: int = Field(default=10, ge=1)
    score_epoch: int | None = Field(default=None, ge=1)
    fractions: Shares = Field(default=[0.1, 0.3, 0.8])
    per_class: Counts = Field(default_factory=list)
    seeds: int = Field(default=5, ge=1)
    model: Literal["linear", "convnet", "resnet18"] = "linear"
    width: int = Field(default=32, ge=1)
    side: int = Field(default=32, ge=8, le=224)
    epochs: int = Field(default=30, ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=0.1, gt=0)
    weight_decay: float = Field(default=5e-4, ge=0)
    test_share: float = Field(default=0.2, gt=0, lt=1)
    least: int = Field(default=10, ge=2)
    group: str | None = None
    encoder: str = "embedded"
    allow_pickle: Words = Field(default_factory=list)
    trust_remote_code: Words = Field(default_factory=list)
    format: str | None = None
    images: Path | None = None
    columns: Columns = Field(default_factory=dict)
    split: str | None = None
    subset: str | None = None
    cache: Path | None = None
    limit: int | None = Field(default=None, ge=1)
    device: str | None = None
    seed: int = Field(default=0, ge=0, lt=2**31)

    def as_prune(self) -> PruneConfig:
        """The same corpus, read and embedded as ``prune`` does."""
        shared = set(PruneConfig.model_fields) & set(type(self).model_fields) - {"per_class"}
        given = self.model_dump(include=shared)
        return PruneConfig(**given, thumbnail=max(160, self.side))


class FitConfig(_Strict):
    """What ``pickwell fit`` needs beside run, labels and output folder."""

    regressors: Words = Field(default=["mean", "ridge", "forest", "gbm", "mlp", "attention"])
    features: Words | None = None
    components: int | None = Field(default=None, ge=1)
    groups: Path | None = None
    group: str | None = None
    id: str = "id"
    directions: dict[str, Literal["higher", "lower", "none"]] = Field(default_factory=dict)
    folds: int | None = Field(default=None, ge=2)
    permutations: int = Field(default=200, ge=19)
    seed: int = Field(default=0, ge=0, lt=2**31)


class EvaluateConfig(_Strict):
    """What ``pickwell evaluate`` needs beside model, data and output folder."""

    baseline: str | None = None
    limit: int | None = Field(default=None, ge=1)
    short_words: int = Field(default=3, ge=1)
    cut: float = Field(default=3.0, ge=1)
    generate: bool = True
    generations: int = Field(default=24, ge=0, le=500)
    max_new_tokens: int = Field(default=48, ge=1, le=4096)
    max_tokens: int | None = Field(default=None, ge=8)
    batch_size: int = Field(default=8, ge=1, le=1024)
    blind: Literal["without", "blank"] = "without"
    wrong: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str | None = None
    trust_remote_code: bool = False
    draws: int = Field(default=2000, ge=100, le=100_000)
    format: str | None = None
    images: Path | None = None
    card: str | None = None
    columns: Columns = Field(default_factory=dict)
    split: str | None = None
    instruction: str | None = None
    cache: Path | None = None
    seed: int = 0


class FinetuneConfig(_Strict):
    """What ``pickwell finetune`` needs beside data and output folder."""

    model: str = "embedded"
    train: Literal["projector", "lora", "all"] = "projector"
    steps: int | None = Field(default=None, ge=1)
    epochs: float | None = Field(default=None, gt=0)
    batch_size: int = Field(default=8, ge=1)
    gradient_accumulation: int = Field(default=1, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    warmup: float = Field(default=0.03, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    max_length: int | None = Field(default=None, ge=1)
    bf16: bool | None = None
    lora_rank: int = Field(default=16, ge=1)
    lora_alpha: int | None = Field(default=None, ge=1)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    gradient_checkpointing: bool = False
    text_only: bool = False
    cache_features: bool = False
    cache: Path | None = None
    seed: int = Field(default=0, ge=0, lt=2**31)
    save_every: int | None = Field(default=None, ge=1)
    resume: bool = True
    workers: int = Field(default=0, ge=0, le=256)
    trust_remote_code: bool = False
    limit: int | None = Field(default=None, ge=1)
    images: Path | None = None
    format: str | None = None
    card: str | None = None
    columns: Columns = Field(default_factory=dict)
    split: str | None = None
    instruction: str | None = None


class _TrainingsConfig(_Strict):
    """Many short trainings on parts of a run, measured on one target."""

    model: str = "embedded"
    train: Literal["projector", "lora", "all"] = "projector"
    steps: int = Field(default=25, ge=1)
    batch_size: int = Field(default=8, ge=1)
    gradient_accumulation: int = Field(default=1, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    warmup: float = Field(default=0.03, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    max_length: int | None = Field(default=None, ge=1)
    bf16: bool | None = None
    lora_rank: int = Field(default=16, ge=1)
    lora_alpha: int | None = Field(default=None, ge=1)
    text_only: bool = False
    cache_features: bool = True
    cache: Path | None = None
    seed: int = Field(default=0, ge=0, lt=2**31)
    trust_remote_code: bool = False
    share: str | None = Field(default=None, pattern=r"^[1-9]\d*/[1-9]\d*$")
    devices: Words | None = None
    target_limit: int | None = Field(default=None, ge=1)
    format: str | None = None
    images: Path | None = None
    card: str | None = None
    columns: Columns = Field(default_factory=dict)
    split: str | None = None
    instruction: str | None = None


class LabelConfig(_TrainingsConfig):
    """What ``pickwell label`` needs beside run, target and output folder."""

    design: Literal["clusters", "subsets", "influence"] = "subsets"
    groups: int | None = Field(default=None, ge=1)
    size: int | None = Field(default=None, ge=2)
    draw: Literal["random", "designed"] = "random"
    fresh: int = Field(default=20, ge=0)
    repeat_groups: int = Field(default=6, ge=0)
    repeats: int = Field(default=2, ge=1)
    space: Literal["image", "text", "both"] = "image"
    above_floors: bool = False
    outcome_command: str | None = None
    outcome_metric: str | None = None


Budgets = Annotated[list[int | Literal["all"]], BeforeValidator(words_as_typed)]


class CompareConfig(_TrainingsConfig):
    """What ``pickwell compare`` needs beside run, target and output folder."""

    arms: Words | None = None
    budget: int = Field(default=200, ge=1)
    budgets: Budgets = Field(default_factory=list)
    curve: Words = Field(default=["selected", "random"])
    seeds: int = Field(default=5, ge=1)
    epochs: float | None = Field(default=1.0, ge=0)
    full_seeds: int | None = Field(default=None, ge=1)
    select: SelectConfig = SelectConfig()

    @field_validator("epochs")
    @classmethod
    def _none_is_off(cls, value: float | None) -> float | None:
        """0 leaves the rule of equal epochs out, as ``null`` does."""
        return value or None


class Config(_Strict):
    """A whole configuration file."""

    score: ScoreConfig = ScoreConfig()
    select: SelectConfig = SelectConfig()
    prune: PruneConfig = PruneConfig()
    benchmark: BenchmarkConfig = BenchmarkConfig()
    fit: FitConfig = FitConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    label: LabelConfig = LabelConfig()
    compare: CompareConfig = CompareConfig()
