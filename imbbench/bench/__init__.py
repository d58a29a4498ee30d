"""One cell, the same for all: data, protocol, learners, metrics, and what families share."""
