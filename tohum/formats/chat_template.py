"""The chat template: a conversation as the text that the encode stage encodes.

transformers looks for it in chat_template.jinja next to tokenizer.json; it is
tohum.formats.records.marked_texts in Jinja.
https://huggingface.co/docs/transformers/chat_templating

One difference cannot be fixed in a template: transformers reads the text of a special token as that
token anywhere, so a message that contains `<|end|>` ends there. The encode stage and `tohum
generate` read it as its seven characters.
"""

from pathlib import Path

from tohum.files import atomic_write
from tohum.formats.special_tokens import ROLE_IDS

CHAT_TEMPLATE_FILE = "chat_template.jinja"

# {% generation %} marks the words that the loss counts, for `return_assistant_tokens_mask`.
CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
    {%- if message.role not in [ROLES] -%}
        {{- raise_exception("the role " ~ message.role ~ " is none of ROLES") -}}
    {%- endif -%}
    {{- "<|" ~ message.role ~ "|>" -}}
    {%- if message.role == "assistant" -%}
        {%- generation -%}
            {{- message.content ~ "<|end|>" -}}
        {%- endgeneration -%}
    {%- else -%}
        {{- message.content ~ "<|end|>" -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- "<|assistant|>" -}}
{%- endif -%}
""".replace("[ROLES]", str(list(ROLE_IDS))).replace("ROLES", ", ".join(ROLE_IDS))


def write_chat_template(folder: Path) -> None:
    """Writes the template to a tokenizer's folder."""
    with atomic_write(folder / CHAT_TEMPLATE_FILE, "w") as file:
        file.write(CHAT_TEMPLATE)
