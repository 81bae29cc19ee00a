"""How marks in texts are known: of chat templates, of images and sound, of other turns.

All are regular expressions as Polars has them.
"""

from __future__ import annotations

import re

from prefdata.formats.cell_messages import CELL_BEGINS

BAR = "\N{FULLWIDTH VERTICAL LINE}"
"""The bar in the marks of DeepSeek's templates."""

MARKS = (
    *("\x00", "<|", f"<{BAR}", "[INST]", "[/INST]", "<<SYS>>", "<start_of_turn>", "<end_of_turn>"),
    *("<s>", "</s>", "<bos>", "<eos>", "### Instruction", "### Human", "### Response"),
    *("<image", "<start_of_image", "<IMG_CONTEXT", "[IMG]", "<audio", "<video", "](data:image/"),
    *("\nUser:", "\nHuman:", "\nAssistant:"),
)
LINES = tuple(mark for mark in MARKS if mark.startswith("\n"))
FIRSTS = "".join(sorted({mark[0] for mark in MARKS} - {"\n"}))
MAY_HAVE_MARK = f"[{re.escape(FIRSTS)}]|" + "|".join(LINES)
"""What a text with a mark has: most texts have none of it, and it is found ten times as fast."""

ANY_MARK = "|".join(map(re.escape, MARKS))
ANY_BEGINNING = rf"{CELL_BEGINS}|\A\s*(?:\z|[Uu]ser\s*:|USER\s*:|[Ss]ystem\s*:)"

KINDS = r"(?:image|audio|video)"
MODELS_OWN = r"<(?:start_of_image|image_placeholder|image_soft_token|IMG_CONTEXT)>|\[IMG\]"
PLACEHOLDER = rf"(?:<{KINDS}[ _]?\d*>|<\|(?i:{KINDS}|vision)\w*\|>|{MODELS_OWN})"
LINE = rf"[ \t]*(?:{PLACEHOLDER}\s*)+"
"""Placeholders that are not inside a sentence."""

NOT_WHOLE = (
    rf"\A\s*{LINE}|(?m:^{LINE}$)|{LINE}\z"
    r"|\]\(data:(?:image|audio|video)/[\w.+-]+;base64,[A-Za-z0-9+/=]{64}"
)
CLOSED = rf"</{KINDS}>"
"""Beside this, a placeholder is a tag of XML."""

SPREADSHEET_ERRORS = (
    *("#N/A", "#VALUE!", "#NAME?", "#REF!", "#DIV/0!", "#NUM!", "#NULL!", "#ERROR!", "#SPILL!"),
    *("#CALC!", "#FIELD!", "#BLOCKED!", "#CONNECT!", "#UNKNOWN!", "#GETTING_DATA"),
)
WORDS = (
    *SPREADSHEET_ERRORS,
    *("null", "NULL", "None", "none", "nan", "NaN", "N/A", "n/a", "NA", "-", "--"),
    *("<NA>", "NaT", "NAN", "(null)", "undefined", "#N/V"),
)
"""Whole texts that stand for no text in some sources, and may be an answer."""

USER_TURN = r"(?s)\S.*\n[ \t]*(?:User|Human)[ \t]*:"
TEMPLATE = (
    r"<\|(?:im_start|im_end|im_sep|start_header_id|end_header_id|eot_id|eom_id|begin_of_text"
    r"|end_of_text|endoftext|startoftext|user|assistant|system|observation|tool|end|eot"
    r"|START_OF_TURN_TOKEN|END_OF_TURN_TOKEN|start_of_role|end_of_role|channel|message)\|>"
    r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos)>|\A\s*<s>|</s>\s*\z"
    rf"|<{BAR}[^{BAR}>]{{1,40}}{BAR}>|(?m:^### (?:Instruction|Human|Response):)"
)
END_MARK = (
    r"(?:</s>|<eos>|<end_of_turn>|<\|(?:endoftext|end_of_text|eot_id|eom_id|im_end|end|eot)\|>"
    rf"|<{BAR}end[^{BAR}>]{{1,20}}{BAR}>)\s*\z"
)
TRANSCRIPT = r"(?is)\A\s*(?:user|human|system)[ \t]*:.*\n[ \t]*assistant[ \t]*:"

IMAGE_OR_SOUND = rf"{PLACEHOLDER}|\]\(data:{KINDS}/"

NOTES = {
    "marks of a chat template stand in the text, which training applies again": TEMPLATE,
    "the text looks like a transcript of several turns": TRANSCRIPT,
    "a placeholder for an image, audio or video stands in the text": IMAGE_OR_SOUND,
}
"""Notes on any text, each with what it is known by."""

USER_NOTE = "a turn of the user seems to stand inside the answer"
WORD_NOTE = "the whole text is a word that may stand for none; --missing leaves such cells out"
END_NOTE = "the text ends with an end mark, and the other answer's does not"
