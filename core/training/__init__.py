"""The training loop around a network: samples, losses, augmentation, checkpoints."""
