"""What of the inference runs on an NVIDIA GPU only: fused kernels, graph capture."""
