"""One rule a file, found by scanning; a leading underscore marks what several rules share."""
