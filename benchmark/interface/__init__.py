"""The contract: evidence in, explanations out, and what predicts and measures them.

`Evidence` is about a block of neurons of one layer, not one neuron, so that an explainer can work
on all of them at once. Token ids travel the whole way; text is decoded only for a person.
"""

from benchmark.column import Column
from benchmark.interface.evidence import (
    EVIDENCE_KINDS,
    EXEMPLARS,
    EXEMPLARS_AND_SAMPLE,
    EXEMPLARS_AND_TEXT,
    EXEMPLARS_SAMPLE_AND_TEXT,
    SAMPLE,
    TEXT,
    Evidence,
    Exemplars,
    ExplainText,
    Sample,
    includes,
    text_mask,
)
from benchmark.interface.explanations import (
    MEASURED_COSTS,
    Answer,
    CompleteText,
    Costs,
    Explained,
    Explainer,
    Explanation,
    Failure,
    NeedsSubject,
    OffersLines,
    Program,
    ReadsExplainText,
    Storage,
    TextLine,
    has_complete_text,
)
from benchmark.interface.scorers import (
    CalibrationText,
    HeldOut,
    ScoredBlock,
    Scorer,
    Simulated,
)
from benchmark.interface.simulators import (
    NeedsTokenizer,
    Prediction,
    Simulator,
)
from benchmark.interface.subject import (
    SharedPrefixes,
    SubjectModel,
)

__all__ = [
    "EVIDENCE_KINDS",
    "EXEMPLARS",
    "EXEMPLARS_AND_SAMPLE",
    "EXEMPLARS_AND_TEXT",
    "EXEMPLARS_SAMPLE_AND_TEXT",
    "MEASURED_COSTS",
    "SAMPLE",
    "TEXT",
    "Answer",
    "CalibrationText",
    "Column",
    "CompleteText",
    "Costs",
    "Evidence",
    "Exemplars",
    "ExplainText",
    "Explained",
    "Explainer",
    "Explanation",
    "Failure",
    "HeldOut",
    "NeedsSubject",
    "NeedsTokenizer",
    "OffersLines",
    "Prediction",
    "Program",
    "ReadsExplainText",
    "Sample",
    "ScoredBlock",
    "Scorer",
    "SharedPrefixes",
    "Simulated",
    "Simulator",
    "Storage",
    "SubjectModel",
    "TextLine",
    "has_complete_text",
    "includes",
    "text_mask",
]
