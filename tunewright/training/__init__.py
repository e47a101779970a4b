"""Training an adapter, wherever that happens: here, on several GPUs, as a job on the Hub, on Apple silicon."""
