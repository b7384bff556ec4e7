"""The recipe of a fine-tuning run: which model, which data, what is trained, how."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from viscodex.checkpoint.layout import Part
from viscodex.core.recipe import Recipe
from viscodex.core.sample import KINDS

Attention = Literal["auto", "varlen", "segments", "flash_attention_2", "flash_attention_3"]


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) and value else value or []


class TrainRecipe(Recipe):
    """Everything `viscodex train` needs to know. Every key can be given by `--set key=value`."""

    model_config = ConfigDict(strict=True)
    job: ClassVar[str] = "train"

    model: str = Field("", description="The checkpoint to start from: a folder or a hub id.")
    data: Annotated[list[str], BeforeValidator(_one_or_many)] = Field(
        default_factory=list, description="Folders of parquet shards, parquet files, or mcd_598k.json-shaped files."
    )
    images: str = Field("", description="Where a JSON file's pictures are: a folder, or a zip that is not unpacked.")
    prepared: str = Field("", description="Folder for measured data, shared by runs; unset, the user's cache.")

    train_parts: list[Part] = Field(["backbone"], description="What is trained; the other parts keep every byte.")
    lora_rank: int = Field(
        0, ge=0, description="Rank of LoRA adapters on the backbone; 0 trains the weights themselves."
    )
    lora_alpha: int = Field(32, gt=0, description="Scale of the adapters: alpha / rank.")
    lora_dropout: float = Field(0.0, ge=0, lt=1, description="Dropout before the adapters.")

    mixture: dict[str, float] = Field(
        default_factory=dict, description="How often an epoch shows each sample of a category; 1 where not named."
    )
    limit: int | None = Field(
        None, gt=0, description="Train on so many samples (a fixed draw; larger ones contain it)."
    )
    epochs: float = Field(1.0, gt=0, description="Passes over the data.")
    max_steps: int | None = Field(None, gt=0, description="Stop the schedule after so many steps.")
    batch_size: int = Field(128, gt=0, description="Samples a step, over all ranks and micro-batches.")
    batch_tokens: int = Field(16_384, gt=0, description="Most tokens of one pack: what one forward pass holds.")
    max_length: int = Field(8_192, gt=0, description="Most tokens of a sample; longer ones are skipped, never cut.")
    max_pixels: int = Field(1_280 * 28 * 28, gt=0, description="Pictures are resized to at most this area.")
    min_pixels: int | None = Field(None, gt=0, description="And to at least this; unset, the checkpoint's own.")

    lr: float = Field(1e-5, gt=0, description="Highest learning rate.")
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="How it falls after the warm-up.")
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps in which it rises.")
    final_lr: float = Field(0.0, ge=0, le=1, description="Where it ends, as a share of the highest.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decay of matrices.")
    beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's decay of the mean of gradients.")
    beta2: float = Field(0.999, ge=0, lt=1, description="AdamW's decay of the mean of their squares.")
    clip: float = Field(1.0, ge=0, description="Largest norm of the gradient; 0 does not clip.")
    optimizer: Literal["adamw", "adamw_8bit"] = Field("adamw", description="adamw_8bit: bitsandbytes or torchao.")

    precision: Literal["auto", "mixed", "float32", "bfloat16"] = Field(
        "auto",
        description="mixed: bfloat16 compute, float32 weights (auto on a GPU); bfloat16 holds no float32 at all.",
    )
    attention: Attention = Field("auto", description="How packed sequences attend; auto is varlen on a GPU.")
    checkpointing: bool = Field(True, description="Recompute the decoder layers' activations in the backward pass.")
    loss_chunk: int = Field(1_024, gt=0, description="Answer tokens whose logits exist at the same time.")
    workers: int = Field(4, gt=0, description="Threads per rank that decode and resize ahead.")
    ahead: int = Field(2, gt=0, description="Steps that are loaded ahead.")

    checkpoint_every: int = Field(500, ge=0, description="Steps between checkpoints; 0 writes none.")
    keep: int = Field(2, gt=0, description="Checkpoints that are kept.")
    eval_every: int = Field(500, ge=0, description="Steps between losses on held-out samples; 0 measures at the end.")
    eval_share: float = Field(
        0.005, ge=0, lt=1, description="Share held out by a hash of the id, if no split is named."
    )
    eval_limit: int = Field(512, ge=0, description="Most held-out samples that are measured.")
    samples_every: int = Field(0, ge=0, description="Steps between pages of sample answers; 0 writes none.")
    samples: int = Field(8, gt=0, description="Held-out prompts that are answered on the page.")
    sample_tokens: int = Field(512, gt=0, description="Most new tokens of such an answer.")
    tensorboard: bool = Field(False, description="Also write TensorBoard files (viscodex[train]).")

    @field_validator("train_parts")
    @classmethod
    def _some_part(cls, value: list[Part]) -> list[Part]:
        if not value:
            raise ValueError("nothing would be trained: name backbone, projector or vision")
        return list(dict.fromkeys(value))

    @field_validator("mixture")
    @classmethod
    def _known_kinds(cls, value: dict[str, float]) -> dict[str, float]:
        for kind, weight in value.items():
            if kind not in KINDS:
                raise ValueError(f"no category {kind}: {', '.join(KINDS)}")
            if not 0 <= weight <= 100:
                raise ValueError(f"{kind} = {weight} is no weight from 0 to 100")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> TrainRecipe:
        if self.max_length > self.batch_tokens:
            raise ValueError(f"max_length = {self.max_length} does not fit batch_tokens = {self.batch_tokens}")
        if self.lora_rank and "backbone" not in self.train_parts:
            raise ValueError("LoRA adapters stand in the backbone: add it to train_parts, or leave out lora_rank")
        return self
