"""One rule a file, found by scanning; what several rules ask stands in `bglint.questions`."""
