"""Many rows through one stage: worker processes, a journal, LLM calls that are never paid twice, shards."""
