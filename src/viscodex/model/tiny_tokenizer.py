"""A small real tokenizer for the tiny checkpoints: byte-level BPE with Qwen's splitting rule, and a ChatML template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

CHAT_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGED_TOKENS = 384  # 256 bytes and what the corpus below makes worth merging
PAD, STOP = MERGED_TOKENS, MERGED_TOKENS + 2  # ids of <|endoftext|> and <|im_end|>

# Qwen2's pattern: the tokenizer class rebuilds itself with it, so a different one here would be lost on loading.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CORPUS = (
    "<!DOCTYPE html>\n<html>\n<head>\n<style>\nbody { margin: 0; padding: 0; color: black; }\n</style>\n</head>\n",
    '<body>\n<div class="header">\n<h1>Title of the page</h1>\n<p>Some text in a paragraph.</p>\n</div>\n</body>\n',
    "import matplotlib.pyplot as plt\nimport numpy as np\n\nfig, ax = plt.subplots(figsize=(8, 6))\nplt.show()\n",
    'ax.plot(x, y, label="line")\nax.set_title("title")\nax.set_xlabel("x")\nax.legend()\nplt.tight_layout()\n',
    "def main():\n    n = int(input())\n    for i in range(n):\n        print(i)\n    return None\n",
    "```python\nprint('hello')\n```\n```html\n<p>hello</p>\n```\nWrite the code that draws this picture.\n",
)

SYSTEM = """\
{%- if messages[0]['role'] != 'system' -%}
<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n
{%- endif -%}
"""
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['content'] is string -%}
{{- message['content'] -}}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] in ('image', 'image_url') -%}
{{- 'IMAGE' -}}
{%- else -%}
{{- part['text'] -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def chat_template(image: str = "", system: str = SYSTEM) -> str:
    """ChatML; `image` is what stands for a picture in the text, such as `<|image_pad|>` between its two marks."""
    return system + CHAT_TEMPLATE.replace("IMAGE", image)


@lru_cache(maxsize=32)
def build(special: tuple[str, ...]) -> tokenizers.Tokenizer:
    """Byte-level BPE of 384 tokens, then the special tokens in the given order."""
    tokenizer = byte_level(CORPUS, MERGED_TOKENS)
    tokenizer.add_special_tokens(list(special))
    return tokenizer


def byte_level(texts: Iterable[str], size: int) -> tokenizers.Tokenizer:
    """Byte-level BPE with Qwen's splitting rule: so many tokens, learned from texts."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def tokenizer_files(
    tokenizer: tokenizers.Tokenizer,
    special: Sequence[str],
    *,
    named: dict[str, str],
    template: str,
    tokenizer_class: str,
    processor_class: str = "",
) -> dict[str, Any]:
    """`tokenizer.json` as text, `tokenizer_config.json` as values; `named` gives attributes such as `image_token`."""
    added = {
        str(tokenizer.token_to_id(token)): {
            "content": token,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for token in special
    }
    config = {
        "added_tokens_decoder": added,
        "additional_special_tokens": list(special),
        "bos_token": None,
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "extra_special_tokens": named,
        "model_max_length": 32768,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": tokenizer_class,
        "unk_token": None,
    }
    if processor_class:
        config["processor_class"] = processor_class
    return {"tokenizer.json": tokenizer.to_str(), "tokenizer_config.json": config}
