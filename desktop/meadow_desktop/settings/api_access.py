"""How other programs on this computer use Meadow: address, key and examples. Pure."""

from __future__ import annotations

_HIDDEN = "•" * 24


def shown_key(key: str, *, is_shown: bool) -> str:
    """The key, or dots that do not tell its length."""
    return key if is_shown else _HIDDEN


def curl_example(base_url: str, model: str) -> str:
    """A question in a shell; the key is a variable, so that it is in no history."""
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    return (
        f"curl {base_url}/chat/completions \\\n"
        '  -H "Authorization: Bearer $MEADOW_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{body}'"
    )


def python_example(base_url: str, model: str) -> str:
    """The same with the package `openai`."""
    return (
        "import os\n"
        "from openai import OpenAI\n"
        "\n"
        f'client = OpenAI(base_url="{base_url}", api_key=os.environ["MEADOW_KEY"])\n'
        "answer = client.chat.completions.create(\n"
        f'    model="{model}",\n'
        '    messages=[{"role": "user", "content": "Hello"}],\n'
        ")\n"
        "print(answer.choices[0].message.content)"
    )
