"""Wordings of the questions, several of each kind."""

from __future__ import annotations

from collections.abc import Mapping

PROMPTS: Mapping[str, tuple[str, ...]] = {
    "caption": (
        "What is shown in this picture?",
        "What do you see here?",
        "Give this image a short caption.",
        "Describe the picture in a few words.",
        "What does this image show?",
        "Write a brief caption for this image.",
        "Name what is in the picture.",
        "Summarise the image in one short phrase.",
    ),
    "keywords": (
        "List some keywords for this image.",
        "Which search terms should lead to this picture?",
        "Give me tags for this image, separated by commas.",
        "What keywords would you file this picture under?",
    ),
    "describe": (
        "Describe this picture in detail.",
        "Tell me more about what is shown here.",
        "Explain in full sentences what this picture shows.",
        "What can you tell me about the subject of this image?",
        "Write a short paragraph about what this picture shows.",
    ),
    "explain": (
        "This figure comes from the manual of an image editor. Explain what it is about.",
        "What is the function shown in this figure for?",
        "Explain what one can do with what this screenshot shows.",
        "Which feature of the program is this figure about, and what does it do?",
    ),
    "category": (
        "What kind of thing is this?",
        "To which group does this belong, and what is it?",
        "Sort this picture into a category and say what it shows.",
        "Under which heading would you file this image?",
    ),
    "definition": (
        "What is this, and what is it for?",
        "What is this? Define it in one sentence.",
        "Name the thing in the picture and say what it is.",
        "How would a dictionary explain what is shown here?",
    ),
    "yes_no": (
        "Is this {}?",
        "Does this picture show {}?",
        "Would you say that this is {}?",
    ),
    "choice": (
        "Is this {} or {}?",
        "Which is it: {} or {}?",
        "Does the picture show {} or {}?",
    ),
    "flag_place": (
        "Whose flag is this?",
        "Which place does this flag belong to?",
        "What flag is shown here?",
        "Name the place that flies this flag.",
    ),
    "flag_capital": (
        "What is the capital of the place with this flag?",
        "Which city is the seat of government where this flag flies?",
        "This is the flag of a place. What is its capital?",
    ),
}
