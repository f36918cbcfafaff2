"""Ask the demo model what it was taught, and print how often it is right.

Reads the model's folder, the corpus and `unseen.md`, which holds questions the model never saw. Each question is
asked by itself, greedily and in float32. An answer is right when it is, word for word, one of the entry's answers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from corpus import Entry, read_corpus, read_file
from phrasing import first_choice
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase


def main() -> None:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Measure how often the demo model answers as its corpus does.")
    parser.add_argument("--model", type=Path, default=here.parent / "meadow_assets" / "models" / "meadow-demo")
    parser.add_argument("--corpus", type=Path, default=here / "corpus")
    parser.add_argument("--unseen", type=Path, default=here / "unseen.md")
    parser.add_argument("--wrong", action="store_true", help="print every wrong answer")
    arguments = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32)
    taught = read_corpus(arguments.corpus).entries
    by_question = {first_choice(question): entry for entry in taught for question in entry.questions}
    unseen = [Entry(entry.questions, by_question[entry.answers[0]].answers) for entry in read_file(arguments.unseen)[0]]
    for name, entries in (("corpus", taught), ("unseen", unseen)):
        asked = [(first_choice(question), entry) for entry in entries for question in entry.questions]
        asked.sort(key=lambda pair: len(pair[1].answers[0]))  # a batch runs until its longest answer ends
        answers = ask(model, tokenizer, [question for question, _ in asked])
        right = 0
        for (question, entry), answer in zip(asked, answers, strict=True):
            if answer in entry.answers:
                right += 1
            elif arguments.wrong:
                print(f"  {question!r}\n    said   {answer!r}\n    wanted {entry.answers[0]!r}")
        print(f"{name}: {right} of {len(asked)} right ({right / len(asked):.1%})", flush=True)


def ask(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, questions: list[str]) -> list[str]:
    """The answers to `questions`. Those without an end token are marked, since they are wrong however they begin."""
    answers: list[str] = []
    for first in range(0, len(questions), 32):
        chats = [[{"role": "user", "content": question}] for question in questions[first : first + 32]]
        inputs = tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        )
        outputs = model.generate(**inputs, max_new_tokens=320)
        for output in outputs[:, inputs["input_ids"].shape[1] :].tolist():
            ended = tokenizer.eos_token_id in output
            answers.append(tokenizer.decode(output, skip_special_tokens=True) + ("" if ended else " (not ended)"))
    return answers


if __name__ == "__main__":
    main()
