"""What examples/denoising_autoencoder.py measures and reports; the training is there."""
