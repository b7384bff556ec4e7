"""Building a multimodal coding data set of one's own: raw inputs, stages that keep or reject, shards and a card."""
