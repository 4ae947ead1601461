"""The model card: README.md beside the weights, from the facts of the run."""

from typing import Any


def model_card(facts: dict[str, Any]) -> str:
    """Returns the card as Markdown with the front matter that the Hugging Face Hub reads."""
    return f"""---
library_name: transformers
pipeline_tag: text-generation
tags: [code, trained-from-scratch]
---
# A small code language model, trained from scratch

| fact | value |
|---|---|
| parameters | {facts["parameters"]:,} |
| bits per byte on the validation documents | {facts["bits_per_byte"]:.4f} |
| validation documents, bytes | {facts["val_documents"]:,}, {facts["val_bytes"]:,} |
| training steps, tokens, epochs | {facts["steps"]:,}, {facts["tokens"]:,}, {facts["epochs"]} |
| trained on | {facts["processor"]}, {facts["threads"]} threads |

The whole configuration stands in params.lock.yaml, and the hash of every input and output in
dvc.lock, at the commit that made this model.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("models/lm")
model = AutoModelForCausalLM.from_pretrained("models/lm")
```
"""
