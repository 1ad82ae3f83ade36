"""Learning from labelled texts: files, annotation, tokenizers, encoders, training."""
