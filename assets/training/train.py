"""Train Meadow's demo model from the text in corpus/, tokenizer included.

Reads    corpus/*.md (see `corpus.py` for the format).
Writes   a folder for `from_pretrained`: config.json, generation_config.json, model.safetensors (float16),
         tokenizer.json, tokenizer_config.json, chat_template.jinja. It is built beside --out, then moved there.

The model is a Llama of 8 layers with 3.5 million parameters. Its tokenizer is a byte-level BPE, so that every
text comes back as it went in.

Shapes: B conversations, T tokens (the longest conversation of the batch; shorter ones are padded at the end).

    input_ids  [B, T]  a batch has about --batch-tokens tokens: few long conversations or many short ones
    labels     [B, T]  the answers' tokens, each with its end token; -100 elsewhere, which counts for nothing

The same seed, corpus and machine give the same model. `--steps 3` shows in seconds that everything works.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from corpus import Corpus, read_corpus
from dealing import conversations
from phrasing import Conversation, choose
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

PAD, END, SYSTEM, USER, ASSISTANT = SPECIAL = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
VOCABULARY = 2048
CONTEXT = 2048
IGNORED = -100

# Words take their leading space along, digits stand alone, and an apostrophe starts a new piece.
PIECES = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if message['role'] not in ['system', 'user', 'assistant'] -%}
{{- raise_exception('The roles are system, user and assistant, not ' + message['role']) -}}
{%- endif -%}
{{- '<|' + message['role'] + '|>' -}}
{%- if message['content'] is string -%}
{{- message['content'] | trim -}}
{%- else -%}
{%- for part in message['content'] if part['type'] == 'text' -%}{{- part['text'] | trim -}}{%- endfor -%}
{%- endif -%}
{{- '<|end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
"""

Sample = tuple[list[int], list[int]]  # input ids and labels, equally long


def main() -> None:
    arguments = parse_arguments()
    torch.manual_seed(arguments.seed)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    random_ = random.Random(arguments.seed)
    corpus = read_corpus(arguments.corpus)
    tokenizer = train_tokenizer(corpus, random.Random(arguments.seed))
    model = new_model(tokenizer).to(arguments.device)
    phrasings = sum(len(entry.questions) for entry in corpus.entries)
    print(
        f"{len(corpus.entries)} entries with {phrasings} phrasings, {len(corpus.conversations)} conversations; "
        f"{len(tokenizer)} tokens in the vocabulary; {model.num_parameters():,} parameters",
        flush=True,
    )
    train(model, tokenizer, corpus, random_, arguments)
    write_folder(model, tokenizer, arguments.out)


def parse_arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Train the demo model from the corpus.")
    parser.add_argument("--corpus", type=Path, default=here / "corpus", help="folder of Markdown files")
    parser.add_argument(
        "--out", type=Path, default=here.parent / "meadow_assets" / "models" / "meadow-demo", help="folder to write"
    )
    parser.add_argument("--steps", type=int, default=1100, help="optimiser steps")
    parser.add_argument("--batch-tokens", type=int, default=4096, help="tokens of one step, about")
    parser.add_argument("--learning-rate", type=float, default=4e-3, help="peak, for matrices and embedding")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0 leaves it to torch")
    parser.add_argument("--bfloat16", action="store_true", help="multiply in bfloat16, where the processor can")
    parsed: argparse.Namespace = parser.parse_args()
    return parsed


def train_tokenizer(corpus: Corpus, random_: random.Random) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    texts = [text for entry in corpus.entries for text in entry.answers]
    texts += [choose(question, random_) for entry in corpus.entries for question in entry.questions for _ in range(3)]
    texts += [message["content"] for conversation in corpus.conversations for message in conversation]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    end, pad = tokenizer.convert_tokens_to_ids([END, PAD])
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=8,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
        initializer_range=0.03,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
        dtype="float32",
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(bos_token_id=None, eos_token_id=end, pad_token_id=pad, do_sample=False)
    return model


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    corpus: Corpus,
    random_: random.Random,
    arguments: argparse.Namespace,
) -> None:
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=arguments.learning_rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=arguments.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share_of_peak(step, arguments.steps))
        for optimizer in optimizers
    ]
    batches = endless_batches(corpus, tokenizer, random_, arguments.batch_tokens)
    device = torch.device(arguments.device)
    model.train()
    began = time.monotonic()
    recent: list[float] = []
    for step in range(1, arguments.steps + 1):
        input_ids, labels = next(batches)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=arguments.bfloat16):
            loss = model(input_ids=input_ids.to(device), labels=labels.to(device)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
        recent.append(loss.item())
        if step % 50 == 0 or step == arguments.steps:
            mean = sum(recent) / len(recent)
            print(f"step {step}/{arguments.steps}  loss {mean:.4f}  {time.monotonic() - began:.0f} s", flush=True)
            recent.clear()


def share_of_peak(step: int, steps: int) -> float:
    """The learning rate rises over the first steps, stays, and falls to nothing over the last 60 %."""
    return min((step + 1) / 50, 1.0, max(steps - step, 0) / (0.6 * steps))


def endless_batches(
    corpus: Corpus, tokenizer: PreTrainedTokenizerFast, random_: random.Random, batch_tokens: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        samples = [encode(conversation, tokenizer) for conversation in conversations(corpus, random_)]
        samples += [encode_text(story, tokenizer) for story in random_.sample(corpus.stories, len(corpus.stories) // 3)]
        samples.sort(key=lambda sample: len(sample[0]) * random_.uniform(0.9, 1.1))
        groups: list[list[Sample]] = [[]]
        for sample in samples:
            if groups[-1] and len(sample[0]) * (len(groups[-1]) + 1) > batch_tokens:
                groups.append([])
            groups[-1].append(sample)
        random_.shuffle(groups)
        for group in groups:
            length = -(-max(len(ids) for ids, _ in group) // 16) * 16  # fewer shapes, fewer kernels to prepare
            input_ids = torch.tensor([ids + [0] * (length - len(ids)) for ids, _ in group])
            labels = torch.tensor([labels + [IGNORED] * (length - len(labels)) for _, labels in group])
            yield input_ids, labels


def encode(conversation: Conversation, tokenizer: PreTrainedTokenizerFast) -> Sample:
    """What the chat template writes for `conversation`; only the answers and their end tokens are labels."""
    input_ids: list[int] = []
    labels: list[int] = []
    for message in conversation:
        ids = tokenizer.encode(f"<|{message['role']}|>{message['content'].strip()}{END}", add_special_tokens=False)
        input_ids += ids
        labels += [IGNORED, *ids[1:]] if message["role"] == "assistant" else [IGNORED] * len(ids)
    return input_ids[:CONTEXT], labels[:CONTEXT]


def encode_text(text: str, tokenizer: PreTrainedTokenizerFast) -> Sample:
    """A text by itself, for completions without a chat template."""
    ids: list[int] = tokenizer.encode(text + END, add_special_tokens=False)
    return ids, [IGNORED, *ids[1:]]


def write_folder(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Save weights as float16 (half the size) under a config that says float32 (what they are computed in)."""
    new = out.with_name(out.name + ".new")
    old = out.with_name(out.name + ".old")
    for folder in (new, old):
        shutil.rmtree(folder, ignore_errors=True)
    model.to("cpu", torch.float16).save_pretrained(new)
    model.config.dtype = torch.float32
    model.config.save_pretrained(new)
    tokenizer.save_pretrained(new)
    for file in new.iterdir():
        file.chmod(0o644)  # safetensors writes 0600
    if out.exists():
        os.rename(out, old)
    os.rename(new, out)
    shutil.rmtree(old, ignore_errors=True)
    size = sum(file.stat().st_size for file in out.iterdir())
    print(f"{out}: {size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
